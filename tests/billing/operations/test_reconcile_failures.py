"""A failing object, list or permission ends only its own part of a reconciliation."""

from dataclasses import replace

from django.utils import timezone
from pytest_django import Settings

from billing.models import (
    Invoice,
    MissingObject,
    Payment,
    Price,
    ReconcileRun,
    StripeCustomer,
    Subscription,
)
from billing.operations import reconciliation
from sandbox import accounts, permissions
from sandbox.world import DEFAULT_ACCOUNT
from tests.billing.operations.reconcile_command import Drain, run
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop


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
