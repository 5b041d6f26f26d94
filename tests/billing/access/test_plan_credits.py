"""Plan credits stay what was paid for when a period moves or a grant is revoked."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from billing.models import Payment, Price, Product, StripeCustomer, SubscriptionItem
from billing.payments import refunds
from billing.payments.refunds import RefundRequest
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grants
from entitlements.models import CreditGrant
from tests.sandbox_stripe import Clock
from tests.shop import Shop

Drain = Callable[[], None]


@pytest.fixture
def subscription(shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain) -> str:
    """A month with fifty credits; its id at Stripe."""
    Product.objects.for_project(shop.project).update(credits_amount=50)
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    return stripe_id


def balance(shop: Shop, alice: StripeCustomer, clock: Clock) -> int:
    return credits.balance(project_id=shop.project.pk, customer_id=alice.customer_id, at=clock.now)


def test_a_period_with_a_new_end_gives_no_credits_again(
    shop: Shop, alice: StripeCustomer, subscription: str, drain: Drain, clock: Clock
) -> None:
    """The same money is for the same period, wherever Stripe says that it ends."""
    before = SubscriptionItem.objects.for_project(shop.project).get()
    assert balance(shop, alice, clock) == 50

    with shop.stripe.world.transaction() as tx:
        body = tx.path_object("subscription", subscription)
        with tx.updating(body, "customer.subscription.updated"):
            body["items"]["data"][0]["current_period_end"] += 3600
    drain()

    after = SubscriptionItem.objects.for_project(shop.project).get()
    assert after.period_end == before.period_end + timedelta(hours=1)
    assert balance(shop, alice, clock) == 50


def test_revoked_plan_credits_are_not_granted_again(
    shop: Shop, alice: StripeCustomer, subscription: str, drain: Drain, clock: Clock
) -> None:
    """Neither a refund nor a renewal revises them; the new period gives its own."""
    grant = CreditGrant.objects.for_project(shop.project).get()
    credit_grants.revoke(grant=grant, reason="Abuse.", actor="operator:ada", at=clock.now)
    assert balance(shop, alice, clock) == 0
    taken = CreditGrant.objects.for_project(shop.project).values().get()

    payment = Payment.objects.for_project(shop.project).get()
    refunds.create(
        payment=payment,
        request=RefundRequest(amount=900),
        idempotency_key="r",
        actor="operator:ada",
        at=clock.now,
    )
    drain()
    assert balance(shop, alice, clock) == 0
    assert CreditGrant.objects.for_project(shop.project).values().get() == taken

    clock.advance(days=32)
    drain()
    assert balance(shop, alice, clock) == 50
    assert CreditGrant.objects.for_project(shop.project).values().get(pk=grant.pk) == taken
