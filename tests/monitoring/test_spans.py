"""What a collector receives of a request: one span for each step, none that lasts too long."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as current
from django.utils import timezone

from billing.models import StripeIntent
from billing.outbound import intents
from billing.stripe.request_metrics import pattern_of
from common import spans, traces
from common.conf import TracingSettings
from config.tracing import open_tracer
from events.models import OutboxEvent
from projects.models import Project
from tests.api_client import ApiClient
from tests.factories.usage import MeterFactory
from tests.monitoring.collector import Collector, SentSpan
from tests.monitoring.traced_payments import ASKED, PAYMENT, lines
from tests.sandbox_stripe import SandboxStripe

pytestmark = pytest.mark.usefixtures("outside_of_requests")


def test_a_request_may_begin_a_trace_itself(
    collector: Collector,
    api: ApiClient,
    stripe: SandboxStripe,
    project: Project,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spans.export(open_tracer, ratio=1.0)
    with caplog.at_level(logging.INFO):
        api.post("/payments", PAYMENT)
        api.get("/payments/pay_01j9zc3k5v8e4w2t7x6y5q4r3s")
    spans.flush()
    paying = collector.one("POST /api/v1/payments")
    missing = collector.one("GET /api/v1/payments/{pk}")
    assert paying.parent_id == missing.parent_id == ""
    assert paying.trace_id != missing.trace_id
    assert (missing.attributes["http.response.status_code"], missing.is_error) == (404, False)
    assert [line["trace_id"] for line in lines(caplog, "request")] == [
        paying.trace_id,
        missing.trace_id,
    ]
    recorded = OutboxEvent.objects.for_project(project).values_list("traceparent", flat=True)
    assert {each[:-3] for each in recorded} == {f"00-{paying.trace_id}-{paying.span_id}"}


def test_a_failing_request_to_stripe_is_an_error_of_its_span(
    collector: Collector, api: ApiClient, stripe: SandboxStripe
) -> None:
    stripe.fail("error_before", times=9)
    answer = api.post("/payments", PAYMENT, headers=ASKED)
    assert answer.status_code == 503
    spans.flush()
    paying = collector.one("POST /api/v1/payments")
    assert (paying.attributes["http.response.status_code"], paying.is_error) == (503, True)
    attempt = collector.one("POST /v1/payment_intents")
    assert (attempt.attributes["error.type"], attempt.is_error) == ("failed", True)
    assert attempt.attributes["http.response.status_code"] == 500


def test_a_worker_finishes_a_write_in_the_trace_of_the_request_that_began_it(
    collector: Collector, api: ApiClient, stripe: SandboxStripe
) -> None:
    stripe.fail("error_before", times=1)
    assert api.post("/payments", PAYMENT, headers=ASKED).status_code == 503
    traces.begin("")
    earlier = timezone.now() - timedelta(minutes=1)
    StripeIntent.objects.across_projects().update(next_try_at=earlier, leased_until=None)
    assert intents.finish_due(at=timezone.now()) == 1
    spans.flush()
    paying = collector.one("POST /api/v1/payments")
    finished = collector.one("intent payment_intent.create")
    assert finished.parent_id == paying.span_id
    assert "GET /v1/payment_intents" in collector.children(finished), "it looks for the payment"


def test_requests_of_the_fast_path_are_one_span(
    collector: Collector, api: ApiClient, project: Project
) -> None:
    MeterFactory.create(project=project, code="calls")
    usage = {"user_id": "ada", "meter": "calls", "value": 1}
    assert api.post("/usage", usage, headers=ASKED).status_code == 201
    assert api.post("/usage", {**usage, "more": 1}, headers=ASKED).status_code == 422
    assert api.post("/usage", usage).status_code == 201
    assert api.get("/entitlements/check?user_id=ada&feature=none", headers=ASKED).status_code == 200
    spans.flush()
    spans.export(open_tracer, ratio=1.0)
    assert api.get("/entitlements/check?user_id=ada&feature=none").status_code == 200
    spans.flush()
    seen = [(each.name, each.attributes["http.response.status_code"]) for each in collector.spans]
    check = ("GET /api/v1/entitlements/check", 200)
    assert sorted(seen) == [check, ("POST /api/v1/usage", 201), ("POST /api/v1/usage", 422)]


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/v1/customers", "/v1/customers"),
        ("/v1/customers/cus_1", "/v1/customers/{id}"),
        ("/v1/coupons/summer?expand[]=a", "/v1/coupons/{id}"),
        ("/v1/payment_intents/pi_1/cancel", "/v1/payment_intents/{id}/cancel"),
        ("/v1/checkout/sessions/cs_1/line_items", "/v1/checkout/sessions/{id}/line_items"),
        ("/v1/billing/meter_events", "/v1/billing/meter_events"),
        ("/v2/core/events/evt_1", "/v2/core/events/{id}"),
    ],
)
def test_the_pattern_of_a_request_to_stripe_contains_no_id(path: str, pattern: str) -> None:
    assert pattern_of(f"https://api.stripe.com{path}") == pattern


def test_a_collector_that_is_away_stops_nothing(api: ApiClient, settings: Any) -> None:
    settings.TRACING = TracingSettings(endpoint="http://127.0.0.1:1", ratio=1.0)
    spans.export(open_tracer, ratio=1.0)
    try:
        assert api.get("/features", headers=ASKED).status_code == 200
        spans.flush()
    finally:
        spans.export(None)
    assert api.get("/features", headers=ASKED).status_code == 200


def test_no_span_lasts_longer_than_what_it_measures(
    collector: Collector, api: ApiClient, stripe: SandboxStripe
) -> None:
    api.post("/payments", PAYMENT, headers=ASKED)
    spans.flush()
    paying: SentSpan = collector.one("POST /api/v1/payments")
    created = collector.one("POST /v1/payment_intents")
    assert 0 < created.seconds <= paying.seconds


def test_the_settings_of_the_suite_export_nothing() -> None:
    assert current.TRACING.endpoint == ""
    assert not spans.are_exported()
