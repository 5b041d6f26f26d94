"""Fixtures of the tests of ``/metrics``."""

from collections.abc import Iterator

import pytest
from django.conf import settings

from common.process_metrics import shipper
from projects.models import Project
from tests.factories.entitlements import FeatureFactory
from tests.monitoring.scrapes import forget_sums
from tests.sandbox_stripe import SandboxStripe
from tests.webhooks.stripe_post import StripePost
from tests.wsgi_calls import drop_local_caches


@pytest.fixture
def empty_sums(db: None) -> Iterator[None]:
    """Sums that begin at zero, whatever this process has counted before."""
    shipper.ship()
    forget_sums()
    yield
    forget_sums()


@pytest.fixture
def sso(project: Project) -> None:
    FeatureFactory.create(project=project, code="sso")
    drop_local_caches()


@pytest.fixture
def post(stripe: SandboxStripe) -> StripePost:
    """To the platform's own endpoint, signed with its secret."""
    return StripePost(settings.BILLING.stripe_webhook_secrets[0])
