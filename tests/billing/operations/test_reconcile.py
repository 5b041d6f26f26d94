"""Reconciliation finds every difference from Stripe and repairs it by a sync."""

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import (
    Invoice,
    MissingObject,
    Payment,
    Price,
    Product,
    ReconcileRun,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SubscriptionItem,
    SyncObject,
)
from billing.operations import reconciliation
from common import crypto
from entitlements.decisions.selectors import decisions
from projects.models import Project
from sandbox.deliveries import DeliveryMode
from tests.billing import outbox_events
from tests.billing.operations.reconcile_command import Drain, run
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

DROP_ALL = DeliveryMode(drop=1.0)


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
    report = "\n".join(findings(shop))
    assert f"subscription {stripe_id} (" in report
    assert "items[" in report
    assert "].quantity: 9 -> 1; status: past_due -> active" in report
    assert "name: Drifted -> Pro" in report
    assert "lines[" in report
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
    bob = Shop(stripe, other_project, shop.account).buyer("bob")
    printed, _ = run("--dry-run", "--project", "borealis")
    assert str(bob.stripe_id) in printed
    assert str(alice.stripe_id) not in printed
    printed, code = run("--project", other_project.pk)
    assert code == 0
    bob.refresh_from_db()
    alice.refresh_from_db()
    assert (bob.email, alice.email) == ("bob@example.com", "")


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


def test_comparing_writes_nothing(shop: Shop, alice: StripeCustomer) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert len(findings(shop)) == 1
    writes = {each["sql"] for each in queries if re.match("INSERT|UPDATE|DELETE", each["sql"])}
    assert {sql for sql in writes if "billing_reconcile" not in sql} == set()
    assert not ReconcileRun.objects.exists()
