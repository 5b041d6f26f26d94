"""Reconciliation finds every difference from Stripe and repairs it by a sync."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from billing.models import (
    Invoice,
    MissingObject,
    Payment,
    Price,
    Product,
    ReconcileRun,
    ReconcileSighting,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SubscriptionItem,
    SyncObject,
)
from billing.operations import reconcile_pages, reconcile_runs, reconciliation
from billing.operations.reconcile_pages import ReconcileScope
from billing.operations.reconcile_steps import ReconcilePass
from billing.sync import kinds
from common import crypto
from entitlements.decisions.selectors import decisions
from projects.models import Project
from sandbox import accounts, permissions
from sandbox.deliveries import DeliveryMode
from sandbox.world import DEFAULT_ACCOUNT
from tests.billing import outbox_events
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

Drain = Callable[[], None]
DROP_ALL = DeliveryMode(drop=1.0)


def run(*arguments: str) -> tuple[str, int]:
    """What the command prints, and its exit code."""
    out = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(str(ended.code))
    return out.getvalue(), 0


def findings(shop: Shop) -> list[str]:
    return [str(each) for each in reconciliation.compare(account=shop.account, at=timezone.now())]


def test_a_mirror_in_agreement_has_no_findings(
    shop: Shop, alice: StripeCustomer, monthly: Price, once: Price, drain: Drain
) -> None:
    """The main job, and then: no difference, no write."""
    shop.subscribe(alice, monthly)
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    drain()
    marks = list(SyncObject.objects.order_by("id").values())
    printed, code = run("--dry-run")
    assert code == 0, printed
    assert "0 difference(s)" in printed
    printed, code = run()
    assert (code, ", 0 difference(s), 0 repaired." in printed) == (0, True)
    assert list(SyncObject.objects.order_by("id").values()) == marks


def test_a_dry_run_prints_and_repairs_nothing(
    shop: Shop, alice: StripeCustomer, monthly: Price, stripe: SandboxStripe
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    stripe.deliver(DROP_ALL)
    printed, code = run("--dry-run")
    assert code == 1
    assert f"subscription {stripe_id}: not mirrored" in printed
    assert f"customer {alice.stripe_id} ({alice.pk}): " in printed
    assert "email:  -> alice@example.com" in printed
    assert not Subscription.objects.for_project(shop.project).exists()
    assert not SyncObject.objects.exists()


def test_one_pass_repairs_a_time_without_webhooks(
    shop: Shop, alice: StripeCustomer, monthly: Price, once: Price, stripe: SandboxStripe
) -> None:
    """Not one webhook came; afterwards everything is as if all had."""
    shop.subscribe(alice, monthly)
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    payment = shop.pay(alice)
    stripe.v1.refunds.create({"payment_intent": payment, "amount": 100})
    stripe.deliver(DROP_ALL)
    printed, code = run()
    assert code == 0, printed
    assert findings(shop) == []
    assert decisions.check(
        project=shop.project, user_id="alice", feature="sso", at=timezone.now()
    ).allowed
    assert Payment.objects.for_project(shop.project).get(stripe_id=payment).amount_refunded == 100
    assert outbox_events.types(shop.project, "subscription.") == ["subscription.created"]
    printed, code = run()
    assert ", 0 difference(s), 0 repaired." in printed


def test_each_difference_is_named_and_repaired(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    project = shop.project
    Subscription.objects.for_project(project).update(status="past_due")
    SubscriptionItem.objects.for_project(project).update(quantity=9)
    Invoice.objects.for_project(project).get().lines.all().delete()
    Product.objects.for_project(project).update(name="Drifted")
    found = "\n".join(findings(shop))
    assert f"subscription {stripe_id} (" in found
    assert "items[" in found
    assert "].quantity: 9 -> 1; status: past_due -> active" in found
    assert "name: Drifted -> Pro" in found
    assert "lines[" in found
    assert run()[1] == 0
    assert findings(shop) == []
    assert Subscription.objects.for_project(project).get().status == "active"


def test_objects_missing_at_stripe_are_reported(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("subscription", stripe_id))
    printed, code = run()
    assert code == 1
    assert f"subscription {stripe_id} (" in printed
    assert "): gone at Stripe" in printed
    assert "not repaired: StripeObjectVanished" in printed
    assert Subscription.objects.for_project(shop.project).get().status == "active"
    assert MissingObject.objects.for_project(shop.project).get().state == "waiting"


def test_an_object_missing_from_a_stale_list_is_not_gone(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    """Stripe's lists may not know yet what was just made; the object itself decides."""
    shop.subscribe(alice, monthly)
    drain()
    shop.stripe.fail("stale_list", method="GET", path="/v1/subscriptions", seconds=3600)
    assert findings(shop) == []


def test_a_pass_can_be_limited_to_one_project(
    shop: Shop, alice: StripeCustomer, other_project: Project, stripe: SandboxStripe
) -> None:
    theirs = Shop(stripe, other_project, shop.account).buyer("bob")
    printed, _ = run("--dry-run", "--project", "borealis")
    assert str(theirs.stripe_id) in printed
    assert str(alice.stripe_id) not in printed
    printed, code = run("--project", other_project.pk)
    assert code == 0
    theirs.refresh_from_db()
    alice.refresh_from_db()
    assert (theirs.email, alice.email) == ("bob@example.com", "")


def test_every_account_with_a_key_is_compared(
    shop: Shop, alice: StripeCustomer, stripe: SandboxStripe, other_project: Project
) -> None:
    own = StripeAccount(project=other_project, name="own", livemode=False)
    own.secret_key = crypto.encrypt("sk_test_wrong", context=own.key_context)
    own.save()
    printed, code = run()
    assert code == 1
    assert "own: " in printed
    assert "(stripe-key-refused)" in printed
    assert "of 2 Stripe account(s)" in printed
    assert findings(shop) == []


def test_an_outage_of_stripe_is_reported(
    shop: Shop, alice: StripeCustomer, stripe: SandboxStripe
) -> None:
    stripe.fail("error_before", method="GET", path="/v1/prices", times=3)
    printed, code = run()
    assert code == 1
    assert "1 failed" in printed


def test_a_failed_repair_is_reported(shop: Shop, stripe: SandboxStripe) -> None:
    price = shop.price(shop.product())
    with stripe.world.transaction() as tx:
        tx.path_object("price", str(price.stripe_id))["unit_amount"] = 1
    printed, code = run()
    assert code == 1
    assert "not repaired: ProgrammingError" in printed


def test_an_account_without_a_key_is_skipped(db: None) -> None:
    with pytest.raises(CommandError, match="STRIPE_SECRET_KEY"):
        run()


def test_the_nightly_pass_repairs_differences(shop: Shop, alice: StripeCustomer) -> None:
    now = timezone.now()
    outcome = reconciliation.run_nightly(at=now)
    assert (outcome.found, outcome.failures) == (1, [])
    assert outcome.compared >= 1
    assert set(ReconcileRun.objects.values_list("phase", flat=True)) == {"finished"}
    assert reconciliation.run_nightly(at=now + timedelta(hours=23)).compared == 0
    again = reconciliation.run_nightly(at=now + timedelta(hours=25))
    assert (again.compared, again.found) == (outcome.compared, 0)


def test_a_step_belongs_to_one_worker(shop: Shop, alice: StripeCustomer) -> None:
    plan = ReconcilePass(purpose="test", at=timezone.now())
    reconciliation.begin(plan, [shop.account], laws=False)
    names = []
    while held := reconcile_runs.claim(
        purpose="test", accounts=[shop.account], order=reconciliation.stripe_steps()
    ):
        names.append(held.step)
    assert names == list(reconciliation.stripe_steps())
    assert not reconciliation.work_on(plan, [shop.account])
    assert not ReconcileRun.objects.exclude(compared=0).exists()
    ReconcileRun.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert reconciliation.work_on(plan, [shop.account])


def test_comparing_writes_nothing(shop: Shop, alice: StripeCustomer) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert len(findings(shop)) == 1
    writes = {each["sql"] for each in queries if re.match("INSERT|UPDATE|DELETE", each["sql"])}
    assert {sql for sql in writes if "billing_reconcile" not in sql} == set()
    assert not ReconcileRun.objects.exists()


REFUSAL = '{"error": {"type": "invalid_request_error", "message": "No."}}'


def test_a_list_that_is_refused_ends_only_its_kind(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    Payment.objects.for_project(shop.project).update(amount=1)
    Subscription.objects.for_project(shop.project).update(status="past_due")
    shop.stripe.fail("malformed_before", path="/v1/invoices", times=9, status=400, body=REFUSAL)
    printed, code = run()
    assert code == 1
    assert "invoice: Stripe says: No. (stripe-refused)" in printed
    assert "2 difference(s), 2 repaired, 1 failed" in printed
    assert Payment.objects.for_project(shop.project).get().amount == 2900
    outcome = reconciliation.run_nightly(at=timezone.now())
    assert outcome.failures == [f"{shop.account}: invoice: stripe-refused"]


def test_an_object_that_cannot_be_mapped_ends_only_itself(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    shop.subscribe(alice, monthly)
    drain()
    Invoice.objects.for_project(shop.project).update(number="drifted")
    shop.stripe.fail("malformed_after", path="/v1/invoices", changes={"lines": 7}, place=0)
    printed, code = run()
    assert code == 0, printed
    assert Invoice.objects.for_project(shop.project).filter(number="drifted").count() == 0


def test_an_object_malformed_in_list_and_alone_is_reported(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    before = Invoice.objects.for_project(shop.project).values().get()
    shop.stripe.fail("malformed_after", path="/v1/invoices*", changes={"lines": 7}, times=99)
    printed, code = run()
    assert code == 1
    assert f"invoice {before['stripe_id']}: " in printed
    assert "(stripe-unavailable)" in printed
    assert Invoice.objects.for_project(shop.project).values().get() == before


def test_a_permission_that_is_missing_ends_only_its_kind(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, settings: Settings
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    Payment.objects.for_project(shop.project).update(amount=1)
    granted = permissions.PERMISSIONS - {"coupon_read", "coupon_write"}
    accounts.open_account(
        shop.stripe.world,
        account_id=DEFAULT_ACCOUNT,
        secret_key="rk_test_narrow",
        permissions=granted,
    )
    settings.BILLING = replace(settings.BILLING, stripe_secret_key="rk_test_narrow")
    printed, code = run()
    assert code == 1
    assert "coupon: Give the restricted key" in printed
    assert Payment.objects.for_project(shop.project).get().amount == 2900


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


def test_one_account_and_kind_that_fails_ends_only_itself(
    shop: Shop, alice: StripeCustomer, stripe: SandboxStripe
) -> None:
    now = timezone.now()
    stripe.fail("error_before", method="GET", path="/v1/prices", times=3)
    outcome = reconciliation.run_nightly(at=now)
    assert (outcome.found, outcome.failures) == (
        1,
        [f"{shop.account}: price: stripe-unavailable"],
    )
    waiting = ReconcileRun.objects.get(finished_at__isnull=True)
    assert (waiting.step, waiting.attempts) == ("price", 1)
    ReconcileRun.objects.update(next_try_at=now)
    assert reconciliation.run_nightly(at=now).failures == []
    assert not ReconcileRun.objects.filter(finished_at__isnull=True).exists()


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


def test_mass_disappearance_stops_the_pass_before_anything_is_repaired(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    """Three of a handful of prices: none is taken off sale, and a person is asked."""
    shop.subscribe(alice, monthly)
    rows = [shop.price(monthly.product) for _ in range(3)]
    drain()
    for row in rows:
        with shop.stripe.world.transaction() as tx:
            tx.remove(tx.path_object("price", str(row.stripe_id)))
    now = timezone.now()
    outcome = reconciliation.run_nightly(at=now)
    assert len(outcome.failures) == 2
    assert Price.objects.for_project(shop.project).filter(active=False).count() == 0
    states = MissingObject.objects.for_project(shop.project).values_list("state", "reason")
    assert list(states) == [("waiting", "too_many")] * 2
    assert set(
        ReconcileRun.objects.filter(step__in=["price", "subscription", "invoice"]).values_list(
            "phase", flat=True
        )
    ) == {"stopped"}


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
    assert "Goes on with the run of" in printed
    assert (code, "1 difference(s), 1 repaired" in printed) == (0, True)
    printed, _ = run()
    assert "Goes on" not in printed
