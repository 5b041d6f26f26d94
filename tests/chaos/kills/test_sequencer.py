"""A sequencer that dies or stops anywhere: every event gets one place, without holes, in order."""

import pytest
from django.db import transaction

from events.log import sequencer
from projects.models import Project
from tests.chaos.figures import Arrival, compare
from tests.chaos.kills.processes import Forks, step_of
from tests.chaos.kills.traffic import Traffic
from tests.chaos.lengths import KILLS
from tests.events.log.recording import entries, record
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = 120
"""More than a run of the sequencer has."""


def test_killed_at_every_step(project: Project, forks: Forks) -> None:
    traffic = Traffic(project)
    for kill in range(KILLS):
        traffic.record(5)
        record_in_vain(project)
        forks.kill_at("sequencer", step=step_of(kill, STEPS))
    check(traffic, "sequencer killed", f"{KILLS} kills")


def test_frozen_at_every_step_while_another_one_numbers(project: Project, forks: Forks) -> None:
    traffic = Traffic(project)
    with forks.running("sequencer"):
        for freeze in range(KILLS):
            traffic.record(5)
            forks.freeze_at(
                "sequencer", step=step_of(freeze, STEPS), meanwhile=lambda: traffic.record(5)
            )
        wait_until(lambda: len(entries(project)) == len(traffic.keys))
    check(traffic, "sequencer frozen, another one works", f"{KILLS} freezes")


def record_in_vain(project: Project) -> None:
    with transaction.atomic():
        record(project, "cus_1", 999_999)
        transaction.set_rollback(True)


def check(traffic: Traffic, run: str, size: str) -> None:
    while not sequencer.run().is_complete:
        pass
    rows = entries(traffic.project)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    arrivals = [Arrival(row.customer_id, row.event.version, row.event_id) for row in rows]
    compare(traffic.keys, arrivals, run=run, size=size).publish()
