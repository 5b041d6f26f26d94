"""A tenant that sells over HTTP, and the Stripe that it sells through."""

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
