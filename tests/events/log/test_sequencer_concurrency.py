"""Readers of positions miss nothing while eight write and two sequencers number."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress

import pytest
from django.db import connection, transaction

from events.log import sequencer
from events.models import LoggedEvent, OutboxEvent, PendingEvent
from projects.models import Project
from tests.events.log.recording import entries, record
from tests.waiting import PATIENCE

CHANGES = 25
"""Of each writer."""
ROLLED_BACK = 0.1
"""Share of the changes."""


class RolledBack(Exception):
    """The change of a writer failed after it was recorded."""


class Traffic:
    """Changes of four customers, of which two belong to each project.

    Each customer's writers take turns, as all changes of a customer do: they lock its row.
    """

    def __init__(self, projects: list[Project]) -> None:
        self.projects = projects
        self.turns = [threading.Lock() for _ in range(4)]
        self.versions = [0] * 4
        self.is_over = threading.Event()
        self.seen: dict[str, list[str]] = defaultdict(list)

    def write(self, choice: random.Random) -> None:
        for _ in range(CHANGES):
            customer = choice.randrange(4)
            with self.turns[customer], suppress(RolledBack), transaction.atomic():
                version = self.versions[customer] + 1
                record(self.projects[customer % 2], f"cus_{customer}", version)
                time.sleep(choice.random() / 500)
                if choice.random() < ROLLED_BACK:
                    raise RolledBack
                self.versions[customer] = version

    def number(self) -> None:
        while not self.is_over.is_set():
            sequencer.run()

    def read(self, project: Project) -> None:
        position = 0
        while True:
            is_last_look = self.is_over.is_set()
            rows = LoggedEvent.objects.for_project(project).filter(position__gt=position)
            for entry in rows.order_by("position"):
                position = entry.position
                self.seen[project.pk].append(entry.event_id)
            if is_last_look:
                return


def start(targets: Iterable[Callable[[], None]]) -> list[threading.Thread]:
    def run(target: Callable[[], None]) -> None:
        try:
            target()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
def test_nothing_appears_behind_a_reader(project: Project, other_project: Project) -> None:
    traffic = Traffic([project, other_project])
    writers = start(lambda seed=seed: traffic.write(random.Random(seed)) for seed in range(8))  # type: ignore[misc]  # mypy: a default
    others = start([traffic.number, traffic.number])
    others += start(lambda owner=owner: traffic.read(owner) for owner in traffic.projects)  # type: ignore[misc]
    join(writers)
    while PendingEvent.objects.exists():
        sequencer.run()
    traffic.is_over.set()
    join(others)

    for owner in traffic.projects:
        rows = entries(owner)
        assert [each.position for each in rows] == list(range(1, len(rows) + 1))
        assert traffic.seen[owner.pk] == [each.event_id for each in rows]
        recorded = OutboxEvent.objects.for_project(owner).values_list("pk", flat=True)
        assert sorted(traffic.seen[owner.pk]) == sorted(recorded)
        assert_ordered_per_customer(rows)
    numbers = [each.number for owner in traffic.projects for each in entries(owner)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def assert_ordered_per_customer(rows: list[LoggedEvent]) -> None:
    rows_of: dict[str, list[LoggedEvent]] = defaultdict(list)
    for entry in rows:
        rows_of[entry.customer_id].append(entry)
    for own in rows_of.values():
        versions = [each.event.version for each in own]
        assert versions == list(range(1, len(own) + 1))
        assert [each.sequence for each in own] == versions
        assert [each.previous_version for each in own] == [0, *versions[:-1]]
