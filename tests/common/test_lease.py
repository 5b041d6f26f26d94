"""A leased row has one worker, a fence against late writes, and growing pauses."""

from datetime import timedelta

import pytest
from django.db.models import QuerySet
from django.db.models.functions import Now

from billing.models import ReconcileRun
from billing.models.reconcile_run import ReconcilePhase
from common import lease
from common.retry_pause import RetryPause

MINUTE = timedelta(minutes=1)
ROWS = ReconcileRun.objects.all()


@pytest.fixture
def rows(db: None) -> list[ReconcileRun]:
    """Three rows that have a lease: ``a``, ``b``, ``c``."""
    for step in "abc":
        ReconcileRun.objects.create(
            purpose="test",
            step=step,
            phase=ReconcilePhase.LISTING,
            started_at=Now(),
            touched_at=Now(),
            next_try_at=Now(),
        )
    return list(ROWS.order_by("step"))


def query_of(row: ReconcileRun) -> QuerySet[ReconcileRun]:
    return ROWS.filter(pk=row.pk)


def end_lease(row: ReconcileRun) -> None:
    query_of(row).update(leased_until=Now() - timedelta(seconds=1))


def test_a_row_is_leased_once_until_its_lease_ends(rows: list[ReconcileRun]) -> None:
    row = rows[0]
    assert lease.take(query_of(row), duration=MINUTE, attempts=1) == 1
    assert lease.take(query_of(row), duration=MINUTE, attempts=2) == 0
    end_lease(row)
    assert lease.take(query_of(row), duration=MINUTE, attempts=3) == 1
    assert query_of(row).get().attempts == 3


def test_only_the_last_claim_of_a_row_can_change_it(rows: list[ReconcileRun]) -> None:
    row = rows[0]
    lease.take(query_of(row), duration=MINUTE)
    slow = query_of(row).get().leased_until
    end_lease(row)
    lease.take(query_of(row), duration=MINUTE)
    fast = query_of(row).get().leased_until

    for store in (lease.write, lease.release):
        assert not store(ROWS, key=row.pk, fence=slow, attempts=9)
    assert (query_of(row).get().attempts, query_of(row).get().leased_until) == (0, fast)
    assert lease.write(ROWS, key=row.pk, fence=fast, attempts=1)
    assert lease.release(ROWS, key=row.pk, fence=fast, attempts=2)
    assert (query_of(row).get().attempts, query_of(row).get().leased_until) == (2, None)
    assert not lease.release(ROWS, key=row.pk, fence=fast, attempts=3), "it is released already"


def test_a_claim_leases_what_is_still_due_in_the_order_of_the_choice(
    rows: list[ReconcileRun],
) -> None:
    a, b, c = rows
    lease.take(query_of(b), duration=MINUTE)
    held_by_other = query_of(b).get().leased_until
    due = ROWS.exclude(step="a")
    assert lease.claim([c, b, a], due=due, rows=ROWS, duration=MINUTE) == [c]
    leases = dict(ROWS.values_list("step", "leased_until"))
    assert (leases["a"], leases["b"]) == (None, held_by_other)
    assert leases["c"] is not None
    end_lease(c)
    assert lease.claim([c, a], due=ROWS, rows=ROWS, duration=MINUTE) == [c, a]


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (32767, 60)]
)
def test_a_pause_grows_up_to_the_longest(failures: int, seconds: int) -> None:
    pause = RetryPause(first=timedelta(seconds=5), longest=MINUTE)
    assert pause.after(failures=failures) == timedelta(seconds=seconds)
    assert pause.after(failures=failures, at_least=2 * MINUTE) == 2 * MINUTE


def test_the_jitter_spreads_pauses() -> None:
    pause = RetryPause(first=MINUTE, jitter=(0.75, 1.0))
    pauses = {pause.after(failures=1) for _ in range(20)}
    assert len(pauses) > 1
    assert timedelta(seconds=45) <= min(pauses)
    assert max(pauses) <= MINUTE
