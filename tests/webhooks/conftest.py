"""Fixtures of webhook deliveries."""

import pytest
from django.conf import settings

from tests.sandbox_stripe import SandboxStripe
from tests.webhooks.stripe_post import StripePost


@pytest.fixture
def post(stripe: SandboxStripe) -> StripePost:
    """To the platform's own endpoint, signed with its secret."""
    return StripePost(settings.BILLING.stripe_webhook_secrets[0])
