"""One trace goes from the caller through the request, Stripe, the log, the worker and webhooks."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import SyncObject
from billing.sync import sync_queue
from common import spans, traces
from events.log import sequencer
from events.models import OutboxEvent
from projects.models import Project
from tests.api_client import ApiClient
from tests.monitoring.collector import Collector
from tests.monitoring.traced_payments import (
    CALLER,
    PARENT,
    PAYMENT,
    TRACE,
    Drain,
    buy,
    delivering,
    lines,
    sent_parents,
)
from tests.sandbox_stripe import SandboxStripe
from tests.webhooks.stripe_post import StripePost, event

pytestmark = pytest.mark.usefixtures("outside_of_requests")
UNSAMPLED = f"00-{TRACE}-{CALLER}-00"


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
