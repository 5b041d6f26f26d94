"""Checkout sessions are applied once, whatever the order of return and events."""

from collections.abc import Callable
from itertools import permutations

import pytest
from django.utils import timezone

from billing.models import Checkout, Payment, Price, StripeCustomer, Subscription, SyncObject
from billing.sync import service as sync
from entitlements.decisions.selectors import decisions
from entitlements.models import Fact
from entitlements.resolution.facts import Reason
from sandbox.deliveries import DeliveryMode
from tests.billing import outbox_events
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

Drain = Callable[[], None]


def allowed(shop: Shop) -> bool:
    answer = decisions.check(
        project=shop.project, user_id="alice", feature="sso", at=timezone.now()
    )
    return answer.allowed


def read(checkout: Checkout) -> None:
    """Stripe says nothing of a session that was just opened, or that it forgot."""
    sync.request_sync(
        account_id=checkout.account_id,
        kind="checkout_session",
        stripe_id=str(checkout.stripe_id),
    )
    sync.drain(at=timezone.now())


def test_a_paid_session_entitles_the_buyer(
    shop: Shop, alice: StripeCustomer, once: Price, drain: Drain
) -> None:
    checkout = shop.checkout(alice, once)
    read(checkout)
    checkout.refresh_from_db()
    assert (checkout.status, checkout.payment_status) == ("open", "unpaid")
    assert checkout.url
    shop.complete(checkout)
    drain()
    checkout.refresh_from_db()
    assert (checkout.status, checkout.payment_status) == ("complete", "paid")
    assert checkout.amount_total == 9900
    assert (checkout.url, checkout.completed_at is not None) == ("", True)
    payment = Payment.objects.for_project(shop.project).get()
    assert (payment.checkout_id, payment.stripe_id) == (checkout.pk, checkout.payment_stripe_id)
    answer = decisions.check(
        project=shop.project, user_id="alice", feature="sso", at=timezone.now()
    )
    assert (answer.reason, answer.valid_until) == (Reason.ENTITLED, None)
    assert sorted(outbox_events.types(shop.project)) == [
        "checkout.completed",
        "checkout.paid",
        "checkout_line.fulfilled",
        "entitlements.changed",
        "payment.created",
        "payment.paid",
    ]


def test_only_a_full_refund_ends_access(
    shop: Shop, alice: StripeCustomer, once: Price, drain: Drain
) -> None:
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    drain()
    payment = Payment.objects.for_project(shop.project).get()
    for amount, still in ((1, True), (9899, False)):
        shop.stripe.v1.refunds.create({"payment_intent": str(payment.stripe_id), "amount": amount})
        drain()
        assert allowed(shop) is still


def test_a_session_with_a_subscription_entitles_its_buyer(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    checkout = shop.checkout(alice, monthly)
    shop.complete(checkout)
    drain()
    checkout.refresh_from_db()
    subscription = Subscription.objects.for_project(shop.project).get()
    assert checkout.subscription_stripe_id == subscription.stripe_id
    assert allowed(shop)
    sources = set(Fact.objects.for_project(shop.project).values_list("source_type", "source_id"))
    assert sources == {("subscription", subscription.pk)}


def test_objects_named_by_a_session_are_read_without_their_own_events(
    shop: Shop, alice: StripeCustomer, monthly: Price, once: Price, stripe: SandboxStripe
) -> None:
    for price in (monthly, once):
        checkout = shop.checkout(alice, price)
        shop.complete(checkout)
        stripe.deliver(DeliveryMode(drop=1.0))
        read(checkout)
    assert Subscription.objects.for_project(shop.project).get().status == "active"
    payments = Payment.objects.for_project(shop.project)
    assert [payment.status for payment in payments] == ["paid", "paid"]


def test_an_expired_session_expires_the_checkout(
    shop: Shop, alice: StripeCustomer, once: Price, drain: Drain
) -> None:
    checkout = shop.checkout(alice, once)
    shop.stripe.v1.checkout.sessions.expire(str(checkout.stripe_id))
    drain()
    checkout.refresh_from_db()
    assert checkout.status == "expired"
    assert outbox_events.types(shop.project) == ["checkout.expired"]
    assert not allowed(shop)


@pytest.mark.parametrize("order", list(permutations(("event", "return", "payment"))))
def test_the_return_and_the_events_have_one_result_in_any_order(
    shop: Shop, alice: StripeCustomer, once: Price, stripe: SandboxStripe, drain: Drain,
    order: tuple[str, ...],
) -> None:  # fmt: skip
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    session = str(checkout.stripe_id)
    payment = str(stripe.v1.checkout.sessions.retrieve(session).payment_intent)

    def come_back() -> None:
        sync.now(
            account=shop.account, kind="checkout_session", stripe_id=session, at=timezone.now()
        )

    def hear_of_payment() -> None:
        sync.request_sync(account_id=shop.account.pk, kind="payment_intent", stripe_id=payment)
        sync.drain(at=timezone.now())

    happens = {"event": drain, "return": come_back, "payment": hear_of_payment}
    for step in order:
        happens[step]()
    assert allowed(shop)
    event_types = outbox_events.types(shop.project)
    assert sorted(event_types) == [
        "checkout.completed",
        "checkout.paid",
        "checkout_line.fulfilled",
        "entitlements.changed",
        "payment.created",
        "payment.paid",
    ]
    assert Payment.objects.for_project(shop.project).get().checkout_id == checkout.pk


def test_an_event_before_the_commit_of_our_row_is_applied_later(
    shop: Shop, alice: StripeCustomer, once: Price, drain: Drain
) -> None:
    """Stripe has made the session, our row does not know its id yet: the metadata finds it."""
    checkout = shop.checkout(alice, once)
    Checkout.objects.for_project(shop.project).update(stripe_id=None)
    shop.complete(checkout)
    drain()
    checkout.refresh_from_db()
    assert checkout.status == "complete"
    assert allowed(shop)


def test_metadata_that_names_a_neighbours_row_is_foreign(
    shop: Shop, alice: StripeCustomer, once: Price, drain: Drain
) -> None:
    """Metadata alone proves nothing: the customer of the session is not the row's."""
    bob = shop.buyer("bob")
    victim = shop.checkout(alice, once)
    Checkout.objects.for_project(shop.project).update(stripe_id=None)
    shop.stripe.v1.checkout.sessions.expire(str(victim.stripe_id))
    forged = shop.stripe.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": str(bob.stripe_id),
            "line_items": [{"price": str(once.stripe_id), "quantity": 1}],
            "success_url": "https://app.example.com",
            "metadata": {"tollgate_id": victim.pk},
        }
    )
    sync.request_sync(account_id=shop.account.pk, kind="checkout_session", stripe_id=forged.id)
    sync.drain(at=timezone.now())
    assert SyncObject.objects.get(stripe_id=forged.id).state == "foreign"
    victim.refresh_from_db()
    assert (victim.stripe_id, victim.status) == (None, "opening")


def test_a_session_missing_at_stripe_is_parked(
    shop: Shop, alice: StripeCustomer, once: Price
) -> None:
    checkout = shop.checkout(alice, once)
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("checkout.session", str(checkout.stripe_id)))
    read(checkout)
    assert SyncObject.objects.get(stripe_id=checkout.stripe_id).state == "parked"
    checkout.refresh_from_db()
    assert checkout.status == "opening"
