"""An event of a payment with a workflow plans one signal, for projects that have a namespace."""

from typing import Any

import pytest

from delivery.conf import TemporalSettings
from delivery.models import Outlet, WorkflowSignal
from delivery.signals import planner
from events.catalog import EventType
from projects.models import Project
from tests.delivery.signals.payments import NOW, pay
from tests.delivery.signals.temporal_server import TemporalServer

pytestmark = pytest.mark.django_db


def planned(project: Project) -> list[tuple[str, str, str]]:
    rows = WorkflowSignal.objects.for_project(project).order_by("pk")
    return [(row.event_id, row.signal, row.workflow_id) for row in rows]


def test_paid_and_expired_payments_are_signaled(project: Project, temporal: TemporalServer) -> None:
    paid = pay(project)
    expired = pay(project, "order-8", event_type=EventType.PAYMENT_EXPIRED)
    for event_type in (EventType.PAYMENT_FAILED, EventType.PAYMENT_CANCELED):
        pay(project, event_type=event_type)
    pay(project, "")
    assert planner.run(at=NOW) == 5
    assert planned(project) == [
        (paid, "PaymentConfirmed", "order-7"),
        (expired, "PaymentExpired", "order-8"),
    ]


def test_an_event_that_is_read_again_plans_no_second_signal(
    project: Project, temporal: TemporalServer
) -> None:
    pay(project)
    planner.run(at=NOW)
    Outlet.objects.filter(pk="signals").update(number=0)
    assert planner.run(at=NOW) == 1
    assert len(planned(project)) == 1


def test_a_project_without_a_namespace_signals_nothing(
    project: Project, other_project: Project, temporal: TemporalServer
) -> None:
    Project.objects.filter(pk=project.pk).update(workflow_namespace="")
    pay(project)
    planner.run(at=NOW)
    assert planned(project) == planned(other_project) == []


@pytest.mark.parametrize("has_server", [True, False])
def test_what_happens_while_signals_are_off_is_not_signaled_later(
    project: Project, temporal: TemporalServer, settings: Any, has_server: bool
) -> None:
    configured = settings.TEMPORAL
    if has_server:
        Project.objects.update(workflow_namespace="")
    else:
        settings.TEMPORAL = TemporalSettings()
    pay(project)
    assert planner.run(at=NOW) == 0
    settings.TEMPORAL = configured
    Project.objects.filter(pk=project.pk).update(workflow_namespace="acme")
    later = pay(project, "order-8")
    planner.run(at=NOW)
    assert planned(project) == [(later, "PaymentConfirmed", "order-8")]
