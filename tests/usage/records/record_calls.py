"""Record usage, and create the meters and counters that it changes."""

import random
from datetime import timedelta

from projects.models import Customer, Project
from tests.factories.usage import NOW, MeterFactory
from usage.models import Meter
from usage.models.meter import Aggregation
from usage.periods import Period, Unit
from usage.records import recording
from usage.records.recording import RecordResult, UsageEntry
from usage.totals import counters

PERIODS = [Period(unit) for unit in Unit] + [Period(Unit.MONTH, NOW - timedelta(days=10))]


def record_entries(project: Project, *entries: UsageEntry) -> list[RecordResult]:
    return recording.record(project=project, entries=entries, at=NOW)


def meters_of_every_kind(project: Project) -> dict[str, Meter]:
    return {
        kind: MeterFactory.create(project=project, code=kind, aggregation=kind)
        for kind in Aggregation.values
    }


def entry(chance: random.Random, kind: str, users: int = 3) -> UsageEntry:
    """One use by one of a few, within the last days; of the same key always the same."""
    number = chance.randrange(10**9)
    value = f"v{number % 5}" if kind == Aggregation.UNIQUE else number % 50
    moment = NOW - timedelta(hours=chance.randrange(60), minutes=chance.choice([0, 0, 7, 59]))
    return UsageEntry(f"user-{number % users}", kind, value, moment, f"key-{number}")


def make_counters(project: Project, kinds: dict[str, Meter], periods: list[Period]) -> None:
    for customer in Customer.objects.for_project(project):
        for meter in kinds.values():
            for period in periods:
                counters.ensure(
                    project_id=project.pk,
                    customer_id=customer.pk,
                    meter_id=meter.pk,
                    period=period,
                    at=NOW,
                )
