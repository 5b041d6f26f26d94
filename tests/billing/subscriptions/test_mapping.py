"""Subscriptions are mirrored with the access and the events that follow."""

from datetime import timedelta

import pytest

from billing.models import Invoice, Price, StripeCustomer, Subscription, SyncObject
from billing.sync import service as sync
from entitlements.decisions.selectors import decisions
from entitlements.resolution.facts import Reason
from tests.billing import outbox_events
from tests.billing.subscriptions.mapped_subscriptions import Drain, check, only_subscription
from tests.sandbox_stripe import Clock
from tests.shop import Shop


def test_an_active_subscription_entitles(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    stripe_id = shop.subscribe(alice, monthly, metadata={"team": "7"})
    drain()
    row = only_subscription(shop)
    assert (row.stripe_id, row.status, row.customer_id) == (stripe_id, "active", alice.customer_id)
    assert row.metadata == {"team": "7"}
    item = row.items.get()
    assert (item.price_id, item.quantity) == (monthly.pk, 1)
    assert item.period_end - item.period_start > timedelta(days=27)
    assert (check(shop, clock).allowed, check(shop, clock).reason) == (True, Reason.ENTITLED)
    assert check(shop, clock, "seats").limit == 5
    assert check(shop, clock).valid_until is None
    assert outbox_events.types(shop.project, "subscription.") == ["subscription.created"]
    event = outbox_events.last(shop.project, "subscription.created")
    assert (event.subject, event.customer_id, event.previous) == (row.pk, alice.customer_id, {})
    assert event.data["items"][0]["price"] == monthly.pk


def test_a_trial_entitles(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    shop.subscribe(alice, monthly, trial_period_days=14)
    drain()
    assert check(shop, clock).reason == Reason.TRIAL
    assert only_subscription(shop).trial_ends_at == clock.now + timedelta(days=14)
    clock.advance(days=15)
    drain()
    assert check(shop, clock).reason == Reason.ENTITLED
    assert outbox_events.types(shop.project, "subscription.")[0] == "subscription.created"


def test_a_renewal_is_recorded_once(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    before = only_subscription(shop).items.get().period_end
    clock.advance(days=32)
    drain()
    assert only_subscription(shop).items.get().period_start == before
    assert outbox_events.types(shop.project, "subscription.") == [
        "subscription.created",
        "subscription.renewed",
    ]
    assert outbox_events.types(shop.project, "entitlements.") == ["entitlements.changed"]


def test_a_failed_renewal_entitles_until_grace_ends(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    shop.stripe.decline_payments(str(alice.stripe_id))
    clock.advance(days=32)
    drain()
    row = only_subscription(shop)
    assert row.status == "past_due"
    ends = row.items.get().period_start + timedelta(days=3, hours=1)
    assert (check(shop, clock).reason, check(shop, clock).valid_until) == (Reason.GRACE, ends)
    assert outbox_events.types(shop.project, "subscription.")[-1] == "subscription.past_due"
    later = decisions.check(project=shop.project, user_id="alice", feature="sso", at=ends)
    assert (later.allowed, later.reason) == (False, Reason.NOT_ENTITLED)
    shop.stripe.accept_payments(str(alice.stripe_id))
    clock.advance(days=8)
    drain()
    assert only_subscription(shop).status == "active"
    assert check(shop, clock).reason == Reason.ENTITLED


def test_a_subscription_canceled_at_period_end_entitles_until_then(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    shop.stripe.v1.subscriptions.update(stripe_id, {"cancel_at_period_end": True})
    drain()
    row = only_subscription(shop)
    assert row.cancel_at == row.items.get().period_end
    assert (check(shop, clock).allowed, check(shop, clock).valid_until) == (True, row.cancel_at)
    assert outbox_events.types(shop.project, "subscription.")[-1] == "subscription.updated"
    assert outbox_events.changed(shop.project, "subscription.updated")["cancel_at"] is None
    at_end = decisions.check(
        project=shop.project, user_id="alice", feature="sso", at=row.items.get().period_end
    )
    assert not at_end.allowed
    clock.advance(days=32)
    drain()
    assert only_subscription(shop).status == "canceled"
    assert outbox_events.types(shop.project, "subscription.")[-1] == "subscription.canceled"


def test_an_immediate_cancellation_ends_access(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    shop.stripe.v1.subscriptions.cancel(stripe_id)
    drain()
    assert only_subscription(shop).has_ended
    assert not check(shop, clock).allowed
    assert outbox_events.types(shop.project, "subscription.", "entitlements.") == [
        "subscription.created",
        "entitlements.changed",
        "subscription.canceled",
        "entitlements.changed",
    ]


def test_the_end_of_a_subscription_leaves_the_access_of_another(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    first = shop.subscribe(alice, monthly)
    shop.subscribe(alice, monthly)
    drain()
    shop.stripe.v1.subscriptions.cancel(first)
    drain()
    assert check(shop, clock).allowed


@pytest.mark.parametrize("status", ["unpaid", "incomplete", "paused", "a_word_of_tomorrow" * 2])
def test_other_statuses_are_kept_and_entitle_to_nothing(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock, status: str
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    with shop.stripe.world.transaction() as tx:
        subscription = tx.path_object("subscription", stripe_id)
        with tx.updating(subscription, "customer.subscription.updated"):
            subscription["status"] = status
    drain()
    assert only_subscription(shop).status == status[:24]
    assert (check(shop, clock).allowed, check(shop, clock).reason) == (False, Reason.NOT_ENTITLED)
    assert not SyncObject.objects.filter(last_error__gt="").exists()


def test_a_pause_ends_access_until_it_is_resumed(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    for status in ("paused", "active"):
        with shop.stripe.world.transaction() as tx:
            subscription = tx.path_object("subscription", stripe_id)
            with tx.updating(subscription, "customer.subscription.updated"):
                subscription["status"] = status
        drain()
    assert outbox_events.types(shop.project, "subscription.") == [
        "subscription.created",
        "subscription.paused",
        "subscription.resumed",
    ]


def test_applying_a_snapshot_again_changes_and_records_nothing(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    before = (
        outbox_events.types(shop.project),
        list(Subscription.objects.for_project(shop.project).values()),
        list(Invoice.objects.for_project(shop.project).values()),
        type(alice.customer).objects.for_project(shop.project).get(user_id="alice").version,
    )
    for row in SyncObject.objects.all():
        sync.request_sync(account_id=row.account_id, kind=row.kind, stripe_id=row.stripe_id)
    drain()
    assert before == (
        outbox_events.types(shop.project),
        list(Subscription.objects.for_project(shop.project).values()),
        list(Invoice.objects.for_project(shop.project).values()),
        type(alice.customer).objects.for_project(shop.project).get(user_id="alice").version,
    )


def test_a_subscription_missing_at_stripe_stays_until_an_operator_decides(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    """Stripe keeps subscriptions for ever: a 404 means a wrong key."""
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("subscription", stripe_id))
    sync.request_sync(account_id=shop.account.pk, kind="subscription", stripe_id=stripe_id)
    drain()
    assert (only_subscription(shop).status, only_subscription(shop).ended_at) == ("active", None)
    assert check(shop, clock).allowed
    assert SyncObject.objects.get(stripe_id=stripe_id).state == "parked"


def test_deleting_the_customer_ends_everything(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    shop.stripe.v1.customers.delete(str(alice.stripe_id))
    drain()
    alice.refresh_from_db()
    assert alice.deleted_at == clock.now
    assert not check(shop, clock).allowed
