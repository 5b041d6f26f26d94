"""One trace goes from the caller through the request, Stripe, the log, the worker and webhooks."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.conf import settings as current
from django.utils import timezone

from billing.models import StripeIntent, SyncObject
from billing.outbound import intents
from billing.stripe.request_metrics import pattern_of
from billing.sync import sync_queue
from common import spans, traces
from common.conf import EgressSettings, TracingSettings
from config.tracing import open_tracer
from delivery.sender.process import SenderProcess
from delivery.webhooks.dispatcher import Dispatcher
from events.log import sequencer
from events.models import OutboxEvent
from projects.models import Project
from tests.api_client import ApiClient
from tests.delivery.sender.conftest import LOCAL
from tests.delivery.sender.receivers import Receiver, receiving
from tests.delivery.webhooks.dispatching import Dispatching, endpoint_at, header
from tests.factories.projects import key_of
from tests.factories.usage import MeterFactory
from tests.monitoring.collector import Collector, SentSpan, collecting
from tests.sandbox_stripe import SandboxStripe
from tests.server.web_server import request as send
from tests.server.web_server import web_server
from tests.services import ROOT
from tests.webhooks.stripe_post import StripePost, event
from tests.wsgi_calls import ASK

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"
UNSAMPLED = f"00-{TRACE}-{CALLER}-00"
ASKED: dict[str, str] = {"traceparent": PARENT}
PAYMENT = {
    "user_id": "alice@example.com",
    "amount": {"amount": 2900, "currency": "usd"},
    "workflow_id": "order-4711",
    "metadata": {"shipment_id": "shp_7"},
}
Drain = Callable[[], None]


@pytest.fixture(autouse=True)
def _outside_of_requests() -> Iterator[None]:
    """No test begins or ends in the trace of a request."""
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


@contextmanager
def delivering(project: Project, settings: Any) -> Iterator[tuple[Receiver, Dispatching]]:
    """A receiver of the project's events, and what sends them."""
    settings.EGRESS = EgressSettings(loopback=True)
    with receiving() as receiver, SenderProcess(LOCAL) as process:
        endpoint_at(receiver, project)
        yield receiver, Dispatching(Dispatcher(process))


def buy(api: ApiClient, stripe: SandboxStripe, drain: Drain, traceparent: str) -> dict[str, Any]:
    """The tenant asks for a payment in its trace; later the buyer pays, and Stripe says so."""
    answer = api.post("/payments", PAYMENT, headers={"traceparent": traceparent})
    assert answer.status_code == 201, answer.content
    payment: dict[str, Any] = answer.json()
    drain()
    stripe.v1.payment_intents.confirm(
        payment["stripe_id"], {"payment_method": "pm_card_visa", "return_url": "https://a.example"}
    )
    drain()
    return payment


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """The fields of the log lines of this name."""
    messages: list[Any] = [record.msg for record in caplog.records]
    return [each for each in messages if isinstance(each, dict) and each.get("event") == name]


def sent_parents(receiver: Receiver) -> dict[str, str]:
    """The header of each delivery by its event's type."""
    return {
        orjson.loads(each.body)["type"]: header(each, "traceparent") for each in receiver.requests
    }


def test_without_a_collector_the_callers_trace_reaches_the_receiver_as_it_came(
    api: ApiClient,
    stripe: SandboxStripe,
    project: Project,
    drain: Drain,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        delivering(project, settings) as (receiver, dispatching),
        caplog.at_level(logging.INFO),
    ):
        payment = buy(api, stripe, drain, PARENT)
        sequencer.run()
        dispatching.settle()
    assert sent_parents(receiver) == {
        "customer.created": PARENT,
        "payment.created": PARENT,
        "payment.paid": PARENT,
    }
    ids = {
        "trace_id": TRACE,
        "payment_id": payment["id"],
        "payment_stripe_id": payment["stripe_id"],
        "workflow_id": "order-4711",
        "shipment_id": "shp_7",
    }
    (paying,) = [line for line in lines(caplog, "request") if line["path"] == "/api/v1/payments"]
    assert ids.items() <= paying.items()
    synced = lines(caplog, "object_synced")
    assert {line["kind"] for line in synced} == {"payment_intent"}
    assert all(
        (ids | {"stripe_id": payment["stripe_id"]}).items() <= each.items() for each in synced
    )
    event_ids = [line["stripe_event_id"] for line in synced if "stripe_event_id" in line]
    assert event_ids
    assert all(each.startswith("evt_") for each in event_ids)
    deliveries = [line for line in lines(caplog, "request") if line["path"] == "/webhooks/stripe"]
    assert [line for line in deliveries if "trace_id" in line or "payment_id" in line] == []


def test_one_trace_from_the_caller_to_the_receiver(
    collector: Collector,
    api: ApiClient,
    stripe: SandboxStripe,
    project: Project,
    drain: Drain,
    settings: Any,
) -> None:
    with delivering(project, settings) as (receiver, dispatching):
        payment = buy(api, stripe, drain, PARENT)
        sequencer.run()
        dispatching.settle()
    spans.flush()
    assert {span.trace_id for span in collector.spans} == {TRACE}
    paying = collector.one("POST /api/v1/payments")
    assert (paying.parent_id, paying.kind, paying.is_error) == (CALLER, "server", False)
    assert paying.attributes["http.response.status_code"] == 201
    assert paying.attributes["tollgate.project_id"] == project.pk
    created = collector.one("POST /v1/payment_intents")
    assert (created.parent_id, created.kind) == (paying.span_id, "client")
    assert created.attributes["http.response.status_code"] == 200
    assert created.attributes["stripe.request_id"].startswith("req_")
    reads = collector.named("read payment_intent")
    assert reads
    for span in (*reads, *collector.named("store payment_intent")):
        assert span.parent_id == paying.span_id
        assert span.attributes["tollgate.stripe_id"] == payment["stripe_id"]
    assert all("GET /v1/payment_intents/{id}" in collector.children(read) for read in reads)
    recorded = {
        row.type: row.traceparent
        for row in OutboxEvent.objects.for_project(project).filter(type__startswith="payment.")
    }
    assert recorded["payment.created"] == f"00-{TRACE}-{paying.span_id}-01"
    stores = {span.span_id for span in collector.named("store payment_intent")}
    assert traces.parse(recorded["payment.paid"]).span_id in stores  # type: ignore[union-attr]
    for type_, sent in sent_parents(receiver).items():
        attempt = collector.one(f"webhook {type_}")
        assert sent == f"00-{TRACE}-{attempt.span_id}-01"
        assert (attempt.kind, attempt.attributes["tollgate.verdict"]) == ("producer", "delivered")
        if type_ in recorded:
            assert recorded[type_] == f"00-{TRACE}-{attempt.parent_id}-01"
    check_privacy(collector, payment, key=api.key)


def check_privacy(collector: Collector, payment: dict[str, Any], *, key: str) -> None:
    """Spans contain ids, and nothing that opens a door or names a person."""
    written = str(collector.spans)
    for secret in ("alice", "@", key, payment["client_secret"], "sk_test", "whsec", "127.0.0.1"):
        assert secret not in written, secret
    assert {each["x-collector-key"] for each in collector.headers} == {"let-me-in"}
    assert collector.services == {"tollgate"}


def test_a_trace_that_its_caller_does_not_record_is_passed_on_without_spans(
    collector: Collector,
    api: ApiClient,
    stripe: SandboxStripe,
    project: Project,
    drain: Drain,
    settings: Any,
) -> None:
    with delivering(project, settings) as (receiver, dispatching):
        buy(api, stripe, drain, UNSAMPLED)
        sequencer.run()
        dispatching.settle()
    spans.flush()
    assert set(sent_parents(receiver).values()) == {UNSAMPLED}
    assert collector.spans == []


@pytest.mark.parametrize(
    "header_",
    ["", "junk", PARENT.upper(), f"{PARENT},{PARENT}", "00-" + "0" * 52, "é" * 55, "x" * 9000],
)
def test_a_malformed_header_never_refuses_a_request(
    api: ApiClient, stripe: SandboxStripe, project: Project, header_: str
) -> None:
    answer = api.post("/payments", PAYMENT, headers={"traceparent": header_})
    assert answer.status_code == 201
    rows = OutboxEvent.objects.for_project(project)
    assert set(rows.values_list("traceparent", flat=True)) == {""}


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


def test_what_stripe_tells_later_than_a_day_is_no_part_of_the_trace(
    api: ApiClient, stripe: SandboxStripe, project: Project, drain: Drain, post: StripePost
) -> None:
    payment = buy(api, stripe, drain, PARENT)
    row = SyncObject.objects.get(stripe_id=payment["stripe_id"])
    assert row.traceparent == PARENT
    news = event("payment_intent.succeeded", object_id=payment["stripe_id"])
    assert post({**news, "id": "evt_soon"}).status_code == 200
    (soon,) = sync_queue.claim_due(limit=10)
    assert soon.traceparent == PARENT
    sync_queue.release(soon)
    drain()
    SyncObject.objects.update(traced_at=timezone.now() - timedelta(hours=25))
    assert post({**news, "id": "evt_late"}).status_code == 200
    (late,) = sync_queue.claim_due(limit=10)
    assert (late.traceparent, late.stripe_event_id) == ("", "evt_late")


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


NOT_INSTALLED = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
"""


def loaded_modules(before: str = "", **variables: str) -> set[str]:
    """The modules of a process that has loaded the web server's application."""
    script = (
        f"import sys\n{before}\nimport config.rsgi\n"
        "print(*(each for each in sys.modules if 'opentelemetry' in each or 'tracing' in each))"
    )
    environment = {name: each for name, each in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_what_records_spans_is_loaded_only_where_they_are_exported() -> None:
    """redis-py loads OpenTelemetry's metrics wherever they are installed."""
    recording = {"config.tracing", "opentelemetry.exporter.otlp.proto.http.trace_exporter"}
    assert loaded_modules() & recording == set()
    assert loaded_modules(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318") >= recording


def test_the_web_server_needs_no_opentelemetry() -> None:
    assert loaded_modules(NOT_INSTALLED) == set()


@pytest.mark.django_db(transaction=True)
def test_the_web_server_sends_spans_also_of_checks_from_its_cache(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(project)
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "billing-eu")
        with web_server(tmp_path / "web.log") as port:
            bearer: Any = {"Authorization": f"Bearer {key}"}
            for _ in range(12):
                assert send(port, "GET", ASK, **bearer).status == 200
            for _ in range(12):
                assert send(port, "GET", ASK, **bearer, traceparent=PARENT).status == 200
            refused = send(port, "GET", "/api/v1/features", traceparent=PARENT)
            assert refused.status == 401
            page = send(port, "GET", "/api/v1/features", **bearer, traceparent=PARENT)
            assert page.status == 200
    checks = collector.named("GET /api/v1/entitlements/check")
    assert len(checks) == 12
    assert {(each.trace_id, each.parent_id, each.kind) for each in checks} == {
        (TRACE, CALLER, "server")
    }
    statuses = [
        each.attributes["http.response.status_code"]
        for each in collector.named("GET /api/v1/features")
    ]
    assert sorted(statuses) == [200, 401]
    assert collector.services == {"billing-eu"}


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
