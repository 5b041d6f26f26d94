"""A reconciliation belongs to one worker and resumes where it stopped."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import (
    MissingObject,
    Price,
    ReconcileRun,
    ReconcileSighting,
    StripeAccount,
    StripeCustomer,
    SyncObject,
)
from billing.operations import reconcile_kinds, reconcile_pages, reconcile_runs, reconciliation
from billing.operations.reconcile_pages import ReconcileScope
from billing.operations.reconcile_pass import ReconcilePass
from billing.sync import kinds
from projects.models import Project
from tests.billing.operations.reconcile_command import Drain, run
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop


def test_a_step_belongs_to_one_worker(shop: Shop, alice: StripeCustomer) -> None:
    plan = ReconcilePass(purpose="test", at=timezone.now())
    reconciliation.begin(plan, [shop.account], laws=False)
    names = []
    while held := reconcile_runs.claim(
        purpose="test", accounts=[shop.account], order=reconcile_kinds.stripe_steps()
    ):
        names.append(held.step)
    assert names == list(reconcile_kinds.stripe_steps())
    assert not reconciliation.work_on(plan, [shop.account])
    assert not ReconcileRun.objects.exclude(compared=0).exists()
    ReconcileRun.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert reconciliation.work_on(plan, [shop.account])


def test_accounts_take_turns(shop: Shop, other_project: Project) -> None:
    """The next step is the first open one of the account that waited longest."""
    own = StripeAccount.objects.create(project=other_project, name="own", livemode=False)
    targets, steps = [shop.account, own], ["price", "customer"]
    for account in targets:
        reconcile_runs.begin(purpose="test", account=account, steps=steps, at=timezone.now())
    claimed = []
    for _ in range(4):
        held = reconcile_runs.claim(
            purpose="test", accounts=targets, order=reconcile_kinds.stripe_steps()
        )
        assert held is not None
        reconcile_runs.release(held)
        claimed.append((held.account, held.step))
    assert claimed == [(shop.account, "customer"), (own, "customer")] * 2
    ReconcileRun.objects.filter(step="customer").update(finished_at=timezone.now())
    held = reconcile_runs.claim(
        purpose="test", accounts=[own], order=reconcile_kinds.stripe_steps()
    )
    assert held is not None
    assert (held.account, held.step) == (own, "price")
    assert reconcile_runs.claim(purpose="test", accounts=[own], order=steps) is None


class Crash(BaseException):
    """The process dies here."""


def test_a_pass_resumes_where_a_worker_died(shop: Shop, stripe: SandboxStripe) -> None:
    """Of 230 objects the first page of a hundred is not read again, and no row is missed."""
    for number in range(230):
        stripe.v1.customers.create({"name": f"Nobody {number}"})
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 150:
            raise Crash

    plan = ReconcilePass(purpose="test", at=timezone.now(), tick=tick)
    reconciliation.begin(plan, [shop.account], laws=False)
    with pytest.raises(Crash):
        reconciliation.work_on(plan, [shop.account])
    run = ReconcileRun.objects.get(step="customer")
    assert (run.compared, run.phase, bool(run.after)) == (100, "listing", True)
    assert ReconcileSighting.objects.filter(run=run).count() == 100
    ReconcileRun.objects.update(leased_until=None)
    assert reconciliation.work_on(plan, [shop.account])
    assert ReconcileRun.objects.get(step="customer").compared == 230
    assert len(ticks) == 150 + 130
    assert not ReconcileSighting.objects.exists()


def test_a_list_starts_again_if_its_cursor_vanishes(shop: Shop, stripe: SandboxStripe) -> None:
    plan = ReconcilePass(purpose="test", at=timezone.now())
    reconciliation.begin(plan, [shop.account], laws=False)
    ReconcileRun.objects.filter(step="customer").update(after="cus_deleted")
    stripe.v1.customers.create({"name": "Nobody"})
    assert reconciliation.work_on(plan, [shop.account])
    assert ReconcileRun.objects.get(step="customer").compared == 1


@pytest.mark.parametrize("kind", ["customer", "price", "subscription", "invoice", "payment_intent"])
def test_a_page_costs_as_many_queries_as_one_object(
    shop: Shop, monthly: Price, drain: Drain, kind: str
) -> None:
    """The look-ups of a page are read together, whatever its length."""
    buyers = [shop.buyer(f"user-{number}") for number in range(4)]
    for buyer in buyers:
        shop.subscribe(buyer, monthly)
        shop.price(monthly.product)
    drain()
    scope = ReconcileScope(account=shop.account, mirrored=kinds.of(kind), at=timezone.now())
    page = reconcile_pages.read_page(scope, after="")
    assert len(page) >= 4
    counts = []
    for objects in (page[:1], page):
        with CaptureQueriesContext(connection) as queries:
            assert reconcile_pages.find_differing(scope, objects) == []
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10


def test_an_object_that_waits_for_a_decision_is_not_read_again(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    now = timezone.now()
    with shop.stripe.unchanged():
        with shop.stripe.world.transaction() as tx:
            tx.remove(tx.path_object("subscription", stripe_id))
        assert len(reconciliation.run_nightly(at=now).failures) == 1
        assert reconciliation.run_nightly(at=now + timedelta(days=2)).failures == []
        assert MissingObject.objects.for_project(shop.project).get().state == "waiting"
    reconciliation.run_nightly(at=now + timedelta(days=4))
    assert MissingObject.objects.for_project(shop.project).get().state == "found"


def test_a_stopped_command_resumes(shop: Shop, alice: StripeCustomer) -> None:
    printed, _ = run("--seconds", "0")
    assert "Not everything is compared yet" in printed
    assert not SyncObject.objects.exists()
    printed, code = run()
    assert "Continues the run of" in printed
    assert (code, "1 difference(s), 1 repaired" in printed) == (0, True)
    printed, _ = run()
    assert "Goes on" not in printed
