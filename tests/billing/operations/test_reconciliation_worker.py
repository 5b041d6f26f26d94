"""Requested reconciliations: bounded parts, turns of accounts, kills at any line, and retention."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain, repeat

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from billing.models import (
    DriftReport,
    Price,
    ReconcileRun,
    ReconcileSighting,
    Reconciliation,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SyncObject,
)
from billing.models.drift_report import DriftState
from billing.operations import (
    drift_reports,
    nightly_runs,
    reconcile_runs,
    reconciliation,
    reconciliation_control,
    reconciliation_worker,
)
from billing.operations.reconciliation_control import NewReconciliation, ReconcileRunning
from common import crypto
from projects.models import Project
from sandbox import accounts as sandbox_accounts
from tests.billing.operations.reconcile_command import Drain
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop
from tests.waiting import wait_until


def start(shop: Shop, *, project: Project | None = None, **values: object) -> Reconciliation:
    return reconciliation_control.start(
        request=NewReconciliation(account=shop.account, project=project, **values),  # type: ignore[arg-type]
        actor="someone",
        at=timezone.now(),
    )


def work() -> int:
    return reconciliation_worker.run_due(at=timezone.now(), seconds=60.0)


def work_on_one_step() -> int:
    """By a clock that has passed the end of the run when the first step begins."""
    times = chain([0.0, 0.0], repeat(10.0))
    return reconciliation_worker.run_due(at=timezone.now(), seconds=1.0, clock=lambda: next(times))


@pytest.mark.django_db(transaction=True)
def test_a_request_in_the_moment_of_the_nightly_pass_is_told_that_it_runs(shop: Shop) -> None:
    def request() -> Reconciliation:
        try:
            return start(shop)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as thread:
        with transaction.atomic():
            assert nightly_runs.begin(account=shop.account, steps=["product"], at=timezone.now())
            requested = thread.submit(request)
            wait_until(is_somebody_waiting_for_a_lock)
        with pytest.raises(ReconcileRunning):
            requested.result()


def is_somebody_waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None


class Crash(BaseException):
    """The process dies here."""


def test_a_killed_worker_loses_nothing(
    shop: Shop,
    alice: StripeCustomer,
    monthly: Price,
    drain: Drain,
    database_dies_at: "Killer",
) -> None:
    """Whichever statement the process dies before: the next worker ends the reconciliation, the
    difference is healed once, and it has one report."""
    shop.subscribe(alice, monthly)
    drain()
    deaths = 0
    for statement in database_dies_at.statements():
        Subscription.objects.for_project(shop.project).update(status="past_due")
        row = start(shop, kinds=("subscription",))
        try:
            with statement:
                work()
        except Crash:
            deaths += 1
        for leased in (ReconcileRun, SyncObject):  # leases end with time
            leased.objects.update(leased_until=None)
        work()
        row.refresh_from_db()
        assert (row.state, row.healed) == ("finished", 1)
        assert Subscription.objects.for_project(shop.project).get().status == "active"
        report = DriftReport.objects.for_project(shop.project).get()
        assert (report.state, report.run_id) == (DriftState.HEALED, row.pk)
        DriftReport.objects.for_project(shop.project).delete()
    assert deaths > 20


class Killer:
    """Kills the process before each statement of a piece of work in turn."""

    def __init__(self) -> None:
        self._is_over = False

    def statements(self) -> Iterator["DyingDatabase"]:
        number = 0
        while not self._is_over:
            number += 1
            yield DyingDatabase(self, number)

    def end(self) -> None:
        self._is_over = True


class DyingDatabase:
    """Raises Crash before the statement with this number, outside Django's handlers."""

    def __init__(self, killer: Killer, number: int) -> None:
        self.killer, self.number, self.count = killer, number, 0

    def __enter__(self) -> None:
        self.wrapper = connection.execute_wrapper(self._count)
        self.wrapper.__enter__()

    def __exit__(self, *error: object) -> None:
        self.wrapper.__exit__(None, None, None)
        if self.count < self.number:
            self.killer.end()

    def _count(self, execute: object, sql: str, *arguments: object) -> object:
        self.count += 1
        if self.count == self.number:
            raise Crash
        return execute(sql, *arguments)  # type: ignore[operator]


@pytest.fixture
def database_dies_at() -> Killer:
    return Killer()


def test_one_of_an_account_runs_at_a_time(shop: Shop, other_project: Project) -> None:
    """The second waits for the first; a paused one lets it pass."""
    first, second = start(shop, project=shop.project), start(shop, project=other_project)
    reconciliation_control.pause(row=first, actor="someone", reason="Busy.", at=timezone.now())
    work()
    for row in (first, second):
        row.refresh_from_db()
    assert (first.state, second.state) == ("paused", "finished")
    assert not ReconcileRun.objects.filter(purpose=first.pk).exclude(compared=0).exists()
    third = start(shop, project=other_project)
    reconciliation_control.resume(row=first, actor="someone", reason="Done.", at=timezone.now())
    assert reconciliation_worker.run_due(at=timezone.now(), seconds=0) == 0
    while not _is_over(first):
        assert not ReconcileRun.objects.filter(purpose=third.pk).exclude(compared=0).exists()
        work_on_one_step()
    work()
    assert _is_over(third)


def _is_over(row: Reconciliation) -> bool:
    row.refresh_from_db()
    return row.finished_at is not None


def test_accounts_take_turns(shop: Shop, other_project: Project, stripe: SandboxStripe) -> None:
    """Each call works on one step; the account that has waited longest is next."""
    own = StripeAccount(project=other_project, name="own", livemode=False)
    sandbox_accounts.open_account(stripe.world, account_id="acct_own", secret_key="sk_test_own")
    own.secret_key = crypto.encrypt("sk_test_own", context=own.key_context)
    own.save()
    rows = [start(shop), start(Shop(stripe, other_project, own))]
    finished: list[list[int]] = []
    for _ in range(4):
        assert work_on_one_step() == 1
        finished.append(
            [
                ReconcileRun.objects.filter(purpose=row.pk, finished_at__isnull=False).count()
                for row in rows
            ]
        )
    assert finished == [[1, 0], [1, 1], [2, 1], [2, 2]]


def test_a_stopped_one_does_nothing_more(
    shop: Shop, alice: StripeCustomer, stripe: SandboxStripe
) -> None:
    """Stopped while a page is read: the page is not counted, and nothing of it is left."""
    row = start(shop, kinds=("customer",), dry_run=True)
    step = ReconcileRun.objects.get(purpose=row.pk)
    reconciliation_control.stop(row=row, actor="someone", reason="Wrong.", at=timezone.now())
    reconcile_runs.save_progress(step, listed_ids=["cus_1"], after="cus_1")
    step.refresh_from_db()
    assert (step.phase, step.after) == ("stopped", "")
    assert not ReconcileSighting.objects.exists()
    assert work() == 0
    assert not DriftReport.objects.for_project(shop.project).exists()


def test_the_nightly_pass_is_part_of_the_history(
    shop: Shop, alice: StripeCustomer, other_project: Project
) -> None:
    """One row for the account, one for our own tables; a requested one makes it wait."""
    start(shop)
    now = timezone.now()
    assert reconciliation.run_nightly(at=now).found == 0
    assert not Reconciliation.objects.filter(account=shop.account, purpose="nightly").exists()
    work()
    assert reconciliation.run_nightly(at=now + timedelta(minutes=1)).found == 0
    rows = Reconciliation.objects.filter(purpose="nightly")
    assert {(row.account_id, row.state, row.started_by) for row in rows} == {
        (shop.account.pk, "finished", nightly_runs.ACTOR),
        (None, "finished", nightly_runs.ACTOR),
    }
    assert not Reconciliation.objects.filter(finished_at__isnull=True).exists()


def test_a_paused_nightly_pass_waits(shop: Shop, alice: StripeCustomer) -> None:
    now = timezone.now()
    reconciliation.run_nightly(at=now, seconds=0)
    row = Reconciliation.objects.get(account=shop.account)
    reconciliation_control.pause(row=row, actor="someone", reason="Busy.", at=now)
    assert reconciliation.run_nightly(at=now).found == 0
    reconciliation_control.resume(row=row, actor="someone", reason="Done.", at=now)
    assert reconciliation.run_nightly(at=now).found == 1
    row.refresh_from_db()
    assert (row.state, row.found, row.healed) == ("finished", 1, 1)


def test_what_cannot_be_compared_is_counted(shop: Shop, stripe: SandboxStripe) -> None:
    row = start(shop, kinds=("price",))
    for _ in range(4):
        stripe.fail("error_before", method="GET", path="/v1/prices", times=3)
        work()
        ReconcileRun.objects.update(next_try_at=timezone.now())
    work()
    row.refresh_from_db()
    assert (row.state, row.not_compared) == ("failed", 4)


def test_old_rows_are_deleted(shop: Shop, alice: StripeCustomer) -> None:
    row = start(shop, kinds=("customer",))
    work()
    now = timezone.now()
    assert (drift_reports.purge(at=now), reconciliation_worker.purge(at=now)) == (0, 0)
    later = now + timedelta(days=91)
    assert reconciliation_worker.purge(at=later) == 1
    assert not ReconcileRun.objects.filter(purpose=row.pk).exists()
    assert DriftReport.objects.for_project(shop.project).get().run_id is None
    assert drift_reports.purge(at=later) == 1
