"""A sender of workflow signals that dies anywhere: every workflow gets each signal once."""

import pytest

from delivery.models import WorkflowSignal
from events.catalog import EventType
from projects.models import Project
from tests.chaos.figures import Arrival, Key, compare
from tests.chaos.kills.processes import Forks, step_of
from tests.chaos.lengths import KILLS
from tests.delivery.signals.payments import NOW, create_payment, pay
from tests.delivery.signals.temporal_server import TemporalServer
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = 1_300
"""More than planning and sending two signals take."""


def test_killed_at_every_step(project: Project, temporal: TemporalServer, forks: Forks) -> None:
    keys: dict[str, Key] = {}
    for kill in range(KILLS):
        payment = create_payment(project, f"order-{kill}")
        for number, event_type in enumerate((EventType.PAYMENT_EXPIRED, EventType.PAYMENT_PAID), 1):
            keys[pay(project, payment=payment, event_type=event_type)] = (payment.pk, number)
        forks.kill_at("signals", temporal.address, step=step_of(kill, STEPS))
        end_leases(project)
    with forks.running("signals", temporal.address):
        wait_until(lambda: count_sent(project) == len(keys))

    size = f"{KILLS} kills"
    requests = [Arrival(*keys[each], each) for each in temporal.requests]
    compare(keys.values(), requests, run="signals: requests", size=size, may_repeat=True).publish()
    ids = [each.request_id for each in temporal.signals]
    signals = [Arrival(*keys[each], each) for each in ids]
    compare(keys.values(), signals, run="signals: workflows", size=size).publish()


def end_leases(project: Project) -> None:
    """As if the time of the dead process's leases had passed."""
    rows = WorkflowSignal.objects.for_project(project)
    rows.filter(leased_until__isnull=False).update(leased_until=NOW)


def count_sent(project: Project) -> int:
    return WorkflowSignal.objects.for_project(project).filter(state="sent").count()
