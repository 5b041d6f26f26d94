"""Compare mirrors, queue and outbox with the truth of a history."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from billing.models import (
    Payment,
    Product,
    Subscription,
    SyncObject,
)
from billing.models.sync_object import ObjectKind
from entitlements.models.fact import Effect, Fact
from events.log.outbox import previous_values
from events.models import OutboxEvent
from sandbox.world import DEFAULT_ACCOUNT
from tests.chaos.history import History


def check_mirror(history: History) -> None:
    """Each mirrored object equals the one in the sandbox's store."""
    for thing in history.things:
        assert history.number(thing.kind, thing.stripe_id) == thing.number, thing
    for product in Product.objects.for_project(history.project):
        true = history.truth("product", str(product.stripe_id))
        assert (product.name, product.active) == (true["name"], true["active"])
    for payment in Payment.objects.for_project(history.project):
        _check_payment(history, payment)
    for row in Subscription.objects.for_project(history.project):
        _check_subscription(history, row)


def _check_payment(history: History, payment: Payment) -> None:
    true = history.truth("payment_intent", str(payment.stripe_id))
    refunds = [
        each
        for each in history.shop.stripe.world.store.kind(DEFAULT_ACCOUNT, "refund").values()
        if each["payment_intent"] == payment.stripe_id
    ]
    assert payment.stripe_status == true["status"]
    assert payment.amount_refunded == sum(each["amount"] for each in refunds)
    assert {row.stripe_id for row in payment.refunds.all()} == {each["id"] for each in refunds}


def _check_subscription(history: History, row: Subscription) -> None:
    true = history.truth("subscription", str(row.stripe_id))
    assert row.status == true["status"]
    assert _seconds(row.cancel_at) == true["cancel_at"]
    assert _seconds(row.ended_at) == true["ended_at"]
    facts = Fact.objects.for_project(history.project).filter(source_id=row.pk)
    latest = facts.order_by("-version").values_list("version", flat=True).first()
    now = [fact for fact in facts if fact.version == latest]
    entitles = any(fact.effect == Effect.ALLOW for fact in now)
    assert entitles == (true["status"] in ("active", "trialing"))


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def check_queue(history: History) -> None:
    """Nothing is due and no lease is held."""
    for row in SyncObject.objects.filter(account=history.account):
        assert row.applied == row.requested, f"{row}: lost"
        assert row.leased_until is None, f"{row}: lease left"
        assert row.parked_at is None, f"{row}: parked: {row.last_error}"


def check_outbox(history: History) -> None:
    """Every change is recorded once, and each recorded version differs from the one before."""
    events_by_subject: dict[str, OutboxEvent] = {}
    seen: set[tuple[str, str, int]] = set()
    version = 0
    events = OutboxEvent.objects.for_project(history.project).order_by("id")
    check_catalog_events(events.filter(customer_id=""))
    for event in events.exclude(customer_id=""):
        assert event.version >= version, "the customer's version went backwards"
        version = event.version
        assert (event.subject, event.type, version) not in seen, f"{event.type} told twice"
        seen.add((event.subject, event.type, version))
        before = events_by_subject.get(event.subject)
        if before is not None and before.version < version:
            assert before.data != event.data, f"{event.type} told nothing new"
        events_by_subject[event.subject] = event
    kinds = Counter(type_ for _, type_, _ in seen)
    counts = Counter(thing.kind for thing in history.things)
    paid = Payment.objects.for_project(history.project).count()
    assert paid >= counts[ObjectKind.PAYMENT_INTENT]
    assert kinds["subscription.created"] == counts[ObjectKind.SUBSCRIPTION]
    assert kinds["subscription.canceled"] == sum(thing.over for thing in history.things)
    assert kinds["payment.created"] == kinds["payment.paid"] == paid


def check_catalog_events(events: Iterable[OutboxEvent]) -> None:
    """Each event of a row without a customer begins where the last one of the row ended."""
    last: dict[str, dict[str, Any]] = {}
    for event in events:
        before = last.get(event.subject)
        if before is not None:
            changed = previous_values(before, event.data)
            assert changed, f"{event.type} told nothing new"
            assert event.previous == changed, f"{event.type} does not follow the last one"
        last[event.subject] = event.data
    for product in Product.objects.across_projects().filter(pk__in=last):
        assert last[product.pk]["name"] == product.name, "the last change was not told"
