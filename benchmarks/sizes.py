"""Sizes of a run: loaded rows and measured seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSize:
    """``crowd``: number of customers of the measured project, in both databases.

    ``subscribers``: customers whose subscriptions and invoices are processed. ``delay_seconds``:
    how long events are sent at one rate. ``checkouts``: pages that are paid and synced.
    ``stripe_databases``: how many of the two databases, the empty one first, have these cases.
    """

    rounds: int
    seconds: int
    crowd: int
    projects: int
    customers: int
    records: int
    events: int
    subscribers: int
    delay_seconds: int
    checkouts: int
    stripe_databases: int

    def __str__(self) -> str:
        return (
            f"{self.projects:,} projects, {self.customers:,} customers, {self.records:,} records, "
            f"{self.events:,} events; "
            f"{self.rounds} round(s) of {self.seconds} s"
        )


QUICK = RunSize(
    rounds=1,
    seconds=1,
    crowd=5_000,
    projects=20,
    customers=20_000,
    records=100_000,
    events=100_000,
    subscribers=60,
    delay_seconds=1,
    checkouts=10,
    stripe_databases=1,
)
FULL = RunSize(
    rounds=3,
    seconds=3,
    crowd=100_000,
    projects=1_000,
    customers=1_000_000,
    records=10_000_000,
    events=10_000_000,
    subscribers=500,
    delay_seconds=5,
    checkouts=30,
    stripe_databases=2,
)
