"""A tenant that sells over HTTP, and the Stripe that it sells through."""

from typing import Any

import pytest

from tests.api_client import ApiClient
from tests.billing.tenant import Tenant
from tests.billing_fixtures import SandboxStripe


@pytest.fixture
def tenant(api: ApiClient, stripe: SandboxStripe) -> Tenant:
    return Tenant(api, stripe)


@pytest.fixture
def neighbour(other_api: ApiClient, stripe: SandboxStripe) -> Tenant:
    """Another tenant of the same Stripe account."""
    return Tenant(other_api, stripe)


@pytest.fixture
def stripe_requests(stripe: SandboxStripe, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of Stripe from here on: methods and paths."""
    seen: list[str] = []
    send = stripe.transport.request

    def counted(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(f"{method} {url.split('/v1/')[1].partition('?')[0]}")
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(stripe.transport, "request", counted)
    return seen
