"""What an error of a provider's API means for a message, and for those after it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from anymail.exceptions import (
    AnymailAPIError,
    AnymailConfigurationError,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
    AnymailSerializationError,
)
from urllib3.exceptions import MaxRetryError, NewConnectionError

from delivery.models import Notification
from projects.models import Customer
from tests.delivery.mail.notices import planned, send, state
from tests.delivery.mail.provider import Backend

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _backend(settings: Any) -> Iterator[None]:
    settings.EMAIL_BACKEND = "tests.delivery.mail.provider.Backend"
    Backend.error, Backend.sent[:] = None, []
    yield
    Backend.error = None


def unreachable() -> Exception:
    """What django-anymail raises if nobody listens, made as it makes it."""
    reason = NewConnectionError(None, "refused")  # type: ignore[arg-type]  # a pool
    cause = requests.ConnectionError(MaxRetryError(None, "/", reason))  # type: ignore[arg-type]
    error = of_both(requests.ConnectionError)
    error.__cause__ = cause
    return error


def of_both(kind: type[Exception]) -> Exception:
    """An error of requests as django-anymail raises it again."""
    error: Exception = type(kind.__name__, (AnymailRequestsAPIError, kind), {})("Error posting")
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AnymailAPIError("x", status_code=429), ("planned", "provider_429")),
        (AnymailAPIError("x", status_code=422), ("refused", "provider_422")),
        (AnymailAPIError("x", status_code=500), ("unknown", "provider_500")),
        (AnymailAPIError("x", status_code=401), ("planned", "")),
        (AnymailConfigurationError("x"), ("planned", "")),
        (AnymailSerializationError("x"), ("refused", "AnymailSerializationError")),
        (AnymailRecipientsRefused("x"), ("refused", "AnymailRecipientsRefused")),
        (unreachable(), ("planned", "")),
        (of_both(requests.ConnectTimeout), ("planned", "")),
        (of_both(requests.ReadTimeout), ("unknown", "ReadTimeout")),
    ],
)
def test_each_error(ada: Customer, error: Exception, expected: tuple[str, str]) -> None:
    row = planned(ada)
    Backend.error = error
    assert send() == 0
    assert state(row) == expected


def test_one_unknown_result_stops_the_run(ada: Customer) -> None:
    """A provider that breaks down takes one message with it, not hundreds."""
    for _ in range(5):
        planned(ada)
    Backend.error = AnymailAPIError("x", status_code=500)
    assert (send(), send()) == (0, 0)
    states = Notification.objects.for_project(ada.project).values_list("state", flat=True)
    assert sorted(states) == ["planned"] * 4 + ["unknown"]


def test_our_id_goes_with_the_mail(ada: Customer) -> None:
    row = planned(ada)
    assert send() == 1
    (mail,) = Backend.sent
    assert mail.metadata == {"notification": row.pk}
