"""Workflows get their signals once, whatever happens on the way, and only those of their tenant."""

from datetime import timedelta
from typing import Any

import grpc
import pytest

from common import traces
from common.traces import TraceParent
from delivery.conf import TemporalSettings
from delivery.models import WorkflowSignal
from delivery.signals import lease, planner, selectors, sender
from delivery.signals import temporal as client
from events.catalog import EventType
from projects.models import Project
from tests.back_offs import end_pauses
from tests.delivery.signals.payments import NOW, create_payment, pay, send, states
from tests.delivery.signals.temporal_server import ReceivedSignal, TemporalServer

pytestmark = pytest.mark.django_db
AFTER_LEASE = lease.LEASE + timedelta(seconds=1)


def test_a_workflow_gets_the_payment_and_the_event(
    project: Project, temporal: TemporalServer
) -> None:
    payment = create_payment(project)
    event = pay(project, payment=payment)
    assert (send(), send()) == (1, 0)
    argument = {"payment": payment.pk, "invoice": None, "event": event}
    assert temporal.signals == [
        ReceivedSignal("acme", "order-7", "PaymentConfirmed", event, argument)
    ]
    row = WorkflowSignal.objects.for_project(project).get()
    assert (row.state, row.sent_at) == ("sent", NOW)


def test_a_workflow_continues_the_trace_of_the_request_that_paid(
    project: Project, temporal: TemporalServer
) -> None:
    """Where the interceptor of Temporal's SDK looks for it; nothing without a trace."""
    with traces.inside(TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1)):
        parent = traces.current_header()
        pay(project, "order-7")
    pay(project, "order-8")
    assert send() == 2
    seen = {each.workflow_id: each.trace for each in temporal.signals}
    assert seen == {"order-7": {"traceparent": parent}, "order-8": None}


def test_two_tenants_with_the_same_workflow_id_get_their_own(
    project: Project, other_project: Project, temporal: TemporalServer
) -> None:
    events = {pay(project): "acme", pay(other_project): "umbrella"}
    assert send() == 2
    assert {each.request_id: each.namespace for each in temporal.signals} == events


def test_a_sender_that_died_after_the_signal_sends_the_same_request_again(
    project: Project, temporal: TemporalServer, settings: Any
) -> None:
    """The process ends between Temporal's answer and our note."""
    event = pay(project)
    planner.run(at=NOW)
    (row,) = selectors.due(at=NOW, limit=10, rule=sender.RULE)
    assert lease.claim(row, at=NOW)
    messages, _ = sender._build_messages([row])
    client.send(messages, settings=settings.TEMPORAL)
    assert send(after=timedelta(seconds=30)) == 0, "the lease still holds"
    assert send(after=AFTER_LEASE) == 1
    assert temporal.requests == [event, event]
    assert len(temporal.signals) == 1
    assert states(project) == [("sent", "")]


def test_two_senders_do_not_send_the_same_signal(
    project: Project, temporal: TemporalServer
) -> None:
    pay(project)
    planner.run(at=NOW)
    first, second = (selectors.due(at=NOW, limit=10, rule=sender.RULE)[0] for _ in range(2))
    assert [lease.claim(first, at=NOW), lease.claim(second, at=NOW)] == [True, False]


def test_a_server_that_was_away_gets_everything_later(
    project: Project, temporal: TemporalServer
) -> None:
    event = pay(project)
    temporal.stop()
    assert send() == 0
    assert states(project) == [("planned", "temporal_unreachable")]
    temporal.start()
    assert send() == 0, "the project backs off"
    end_pauses()
    assert send() == 1
    assert [each.request_id for each in temporal.signals] == [event]


def test_a_workflow_that_is_gone_parks_its_signal_only(
    project: Project, temporal: TemporalServer
) -> None:
    temporal.gone.add("order-7")
    pay(project)
    pay(project, "order-8")
    assert send() == 1
    assert states(project) == [("parked", "workflow_gone"), ("sent", "")]
    assert send(after=timedelta(days=1)) == 0
    assert len(temporal.requests) == 2


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, ("parked", "temporal_invalid_argument")),
        (grpc.StatusCode.PERMISSION_DENIED, ("planned", "temporal_permission_denied")),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ("planned", "temporal_resource_exhausted")),
        (grpc.StatusCode.INTERNAL, ("planned", "temporal_internal")),
    ],
)
def test_what_the_server_answers_decides(
    project: Project,
    temporal: TemporalServer,
    status: grpc.StatusCode,
    expected: tuple[str, str],
) -> None:
    temporal.failing["acme"] = status
    pay(project)
    assert send() == 0
    assert states(project) == [expected]
    temporal.failing.clear()
    end_pauses()
    assert send(after=timedelta(minutes=1)) == (expected[0] == "planned")


def test_a_missing_namespace_is_not_a_missing_workflow(
    project: Project, temporal: TemporalServer
) -> None:
    temporal.namespaces.remove("acme")
    pay(project)
    assert send() == 0
    assert states(project) == [("planned", "namespace_not_found")]
    temporal.namespaces.add("acme")
    end_pauses()
    assert send() == 1


def test_a_signal_that_fails_for_ever_is_parked(project: Project, temporal: TemporalServer) -> None:
    temporal.failing["acme"] = grpc.StatusCode.INTERNAL
    pay(project)
    for day in range(lease.ATTEMPTS + 1):
        send(after=timedelta(days=day))
    assert states(project) == [("parked", "temporal_internal")]
    assert len(temporal.requests) == lease.ATTEMPTS


def test_one_dead_namespace_stops_no_other_project(
    project: Project, other_project: Project, temporal: TemporalServer
) -> None:
    """It costs one request per run of the dead project, not one per signal."""
    temporal.slow.add("acme")
    for number in range(20):
        pay(project, f"order-{number}")
    other_events = [pay(other_project, f"order-{number}") for number in range(3)]
    assert send() == 3
    assert [each.request_id for each in temporal.signals] == other_events
    assert len(temporal.requests) == 4
    assert send() == 0
    assert len(temporal.requests) == 4


def test_projects_take_turns(
    project: Project, other_project: Project, temporal: TemporalServer, monkeypatch: Any
) -> None:
    for number in range(10):
        pay(project, f"order-{number}")
    pay(other_project)
    monkeypatch.setattr(sender, "BATCH", 2)
    assert send() == 2
    assert {each.namespace for each in temporal.signals} == {"acme", "umbrella"}


def test_the_signals_of_a_payment_keep_their_order(
    project: Project, temporal: TemporalServer
) -> None:
    payment = create_payment(project)
    temporal.failing["acme"] = grpc.StatusCode.INTERNAL
    pay(project, payment=payment, event_type=EventType.PAYMENT_EXPIRED)
    send()
    temporal.failing.clear()
    pay(project, payment=payment)
    assert send() == 0, "the earlier one waits for its next try"
    assert (send(after=timedelta(hours=1)), send(after=timedelta(hours=1))) == (1, 1)
    assert [each.signal for each in temporal.signals] == ["PaymentExpired", "PaymentConfirmed"]


def test_a_project_that_lost_its_namespace_signals_nothing(
    project: Project, temporal: TemporalServer
) -> None:
    pay(project)
    planner.run(at=NOW)
    Project.objects.filter(pk=project.pk).update(workflow_namespace="")
    assert sender.run(at=NOW) == 0
    assert states(project) == [("parked", "no_namespace")]
    assert temporal.requests == []


def test_without_a_server_nothing_is_sent(
    project: Project, temporal: TemporalServer, settings: Any
) -> None:
    pay(project)
    planner.run(at=NOW)
    settings.TEMPORAL = TemporalSettings()
    assert sender.run(at=NOW) == 0
    assert states(project) == [("planned", "")]
