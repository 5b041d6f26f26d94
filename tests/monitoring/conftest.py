"""Fixtures of the tests of ``/metrics`` and of traces."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from common import spans, traces
from common.conf import TracingSettings
from common.process_metrics import shipper
from config.tracing import open_tracer
from projects.models import Project
from tests.factories.entitlements import FeatureFactory
from tests.monitoring.collector import Collector, collecting
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


@pytest.fixture
def outside_of_requests() -> Iterator[None]:
    """The test neither begins nor ends in the trace of a request."""
    traces.begin("")
    yield
    traces.begin("")


@pytest.fixture
def collector(settings: Any) -> Iterator[Collector]:
    """Spans go to it. A trace that no caller has begun is not recorded."""
    with collecting() as receiver:
        settings.TRACING = TracingSettings(
            endpoint=receiver.url, headers={"x-collector-key": "let-me-in"}, ratio=0.0
        )
        spans.export(open_tracer, ratio=0.0)
        yield receiver
        spans.export(None)
