"""Simulated workers run the real code in steps and die where the test says.

A worker stops at named points between its steps; whoever runs it decides who moves next. A death
is an exception that nothing catches, so an open transaction is rolled back as it is when a process
dies, and the lease stays behind.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, When
from django.db.models.functions import Now
from django.utils import timezone

from billing.models import SyncObject
from billing.sync import service as sync
from billing.sync.sync_queue import SyncLease
from tests.back_offs import end_pauses

Point = str
IDLE = "nothing to claim"
BEFORE_CLAIM = "claim: before commit"
CLAIMED = "claimed"
READ = "read"
STATEMENT = "store: at a statement"
BEFORE_COMMIT = "store: before commit"
STORED = "stored"
POINTS = (BEFORE_CLAIM, CLAIMED, READ, STATEMENT, BEFORE_COMMIT, STORED)
"""Where a worker can die."""


class Killed(BaseException):
    """The worker's process is gone."""


@dataclass
class Deaths:
    """Where workers died, and at which statement of a store."""

    at: Counter[Point] = field(default_factory=Counter)
    statements: Counter[int] = field(default_factory=Counter)
    survived: int = 0
    """Deaths planned for a statement that the store did not reach."""


Stop = tuple[Point, str]
"""Where a worker stands, and the Stripe id of the object that it has in hand, if any."""
Fate = Callable[[Point], bool]
"""Whether the worker dies at this point, this time."""


def worker(
    *, batch: int, fate: Fate, statement: Callable[[], int], deaths: Deaths
) -> Generator[Stop]:
    """SyncLease, read and store, again and again; ends with its death."""
    while True:
        claims = _claim(batch, fate, deaths)
        if not claims:
            yield IDLE, ""
            continue
        yield CLAIMED, ""
        _maybe_die(CLAIMED, fate, deaths)
        for claim in claims:
            yield from _carry_out(claim, fate, statement, deaths)


def _claim(batch: int, fate: Fate, deaths: Deaths) -> list[SyncLease]:
    with transaction.atomic():
        claims = sync.claim_due(limit=batch)
        if claims:
            _maybe_die(BEFORE_CLAIM, fate, deaths)
    return claims


def _carry_out(
    claim: SyncLease, fate: Fate, statement: Callable[[], int], deaths: Deaths
) -> Iterator[Stop]:
    """As ``sync`` does it, with a stop after the read and one after the store."""
    at = timezone.now()
    try:
        snapshot = sync.read(claim)
        yield READ, claim.stripe_id
        _maybe_die(READ, fate, deaths)
        with transaction.atomic(), _dying_at(fate, statement, deaths):
            sync.store(claim, snapshot, at=at)
            _maybe_die(BEFORE_COMMIT, fate, deaths)
    except Exception as error:  # noqa: BLE001  # what the real worker does with every error
        sync.record_failure(claim, error, at=at)
    yield STORED, claim.stripe_id
    _maybe_die(STORED, fate, deaths)


def _maybe_die(point: Point, fate: Fate, deaths: Deaths) -> None:
    if fate(point):
        deaths.at[point] += 1
        raise Killed(point)


@contextmanager
def _dying_at(fate: Fate, statement: Callable[[], int], deaths: Deaths) -> Iterator[None]:
    """Die before a chosen statement of the block, if that is the worker's fate."""
    if not fate(STATEMENT):
        yield
        return
    chosen, count = statement(), 0

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal count
        count += 1
        if count == chosen:
            deaths.at[STATEMENT] += 1
            deaths.statements[chosen] += 1
            raise Killed(sql)
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield
    deaths.survived += 1


def expire_leases(**filters: Any) -> int:
    """Let time pass until every lease has run out. One by one: time locks no two rows at once."""
    held = SyncObject.objects.filter(leased_until__isnull=False, **filters)
    return sum(
        held.filter(pk=pk).update(leased_until=Now() - timedelta(seconds=1))
        for pk in held.values_list("pk", flat=True)
    )


def end_waits(**filters: Any) -> None:
    """Let so much time pass that no lease holds and every postponed row is due."""
    past = Now() - timedelta(seconds=1)
    rows = SyncObject.objects.filter(**filters)
    rows.update(next_try_at=past, leased_until=Case(When(leased_until__isnull=False, then=past)))
    end_pauses()
