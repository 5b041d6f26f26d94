"""Read errors of the SDK without checking for missing parts."""

from typing import Any

import pytest
import stripe

Raised = pytest.ExceptionInfo[Any]


def error_of(raised: Raised | stripe.StripeError) -> Any:
    """The ``error`` object of the answer."""
    return raised.error if isinstance(raised, stripe.StripeError) else raised.value.error


def headers_of(raised: Raised) -> Any:
    """The headers of the answer, whatever their case."""
    return raised.value.headers
