"""Objects of one customer that are due together are stored together: once, or each by itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.access import service as access
from billing.models import Invoice, Payment, Price, StripeCustomer, Subscription, SyncObject
from billing.models.sync_object import ObjectKind
from billing.sync import object_sync, sync_queue
from billing.sync import service as sync
from entitlements.models import Fact
from events.models import OutboxEvent
from tests.shop import Shop

Calls = list[str]


@pytest.fixture
def recomputed(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The ids of the subscriptions whose access was recomputed, in order."""
    calls: Calls = []
    recompute = access.recompute_subscription

    def count(**arguments: Any) -> bool:
        calls.append(arguments["subscription"].pk)
        return recompute(**arguments)

    monkeypatch.setattr(access, "recompute_subscription", count)
    return calls


def _standing_still() -> float:
    """A clock by which Stripe answers at once, however busy the machine is."""
    return 0.0


def read_due() -> list[tuple[sync_queue.SyncLease, Any]]:
    return [(lease, sync.read(lease)) for lease in sync.claim_due(limit=50)]


def facts_of(buyer: StripeCustomer) -> list[tuple[Any, ...]]:
    rows = Fact.objects.for_project(buyer.project_id).filter(customer_id=buyer.customer_id)
    newest = max(row.version for row in rows)
    shown = ("source_type", "feature__code", "effect", "value", "reason", "ends_at")
    return sorted(rows.filter(version=newest).values_list(*shown), key=str)


def types(buyer: StripeCustomer) -> list[str]:
    rows = OutboxEvent.objects.for_project(buyer.project_id).filter(customer_id=buyer.customer_id)
    return list(rows.order_by("version", "id").values_list("type", flat=True))


def buy(shop: Shop, price: Price, drain: Callable[[], None]) -> StripeCustomer:
    """A known customer subscribes; Stripe has told of it, and nothing is read yet."""
    buyer = shop.buyer()
    drain()
    shop.subscribe(buyer, price)
    shop.stripe.deliver()
    return buyer


def test_the_access_of_a_purchase_is_recomputed_once(
    shop: Shop, monthly: Price, drain: Callable[[], None], recomputed: Calls
) -> None:
    """Its subscription, invoice and payment are one change, as if each had come alone."""
    together, alone = shop.buyer("together"), shop.buyer("alone")
    drain()

    shop.subscribe(alone, monthly)
    shop.stripe.deliver()
    for lease, snapshot in read_due():
        assert sync.store(lease, snapshot, at=timezone.now())
    sync.drain(at=timezone.now())
    assert len(recomputed) > 1
    recomputed.clear()

    shop.subscribe(together, monthly)
    shop.stripe.deliver()
    sync.drain(at=timezone.now(), clock=_standing_still)

    subscription = Subscription.objects.across_projects().get(customer_id=together.customer_id)
    assert recomputed == [subscription.pk]
    assert facts_of(together) == facts_of(alone)
    late = ["payment.updated"]  # alone, the payment was stored before the invoice that it names
    assert sorted([*types(together), *late]) == sorted(types(alone))
    assert not SyncObject.objects.exclude(leased_until=None).exists()


def test_one_that_cannot_be_stored_leaves_the_others_alone(
    shop: Shop, monthly: Price, drain: Callable[[], None]
) -> None:
    buyer = buy(shop, monthly, drain)
    with shop.stripe.world.transaction() as tx:
        (invoice,) = tx.list_objects(
            "invoice", lambda each: bool(each["customer"] == buyer.stripe_id)
        )
        invoice["attempt_count"] = -5  # a value that its column refuses
    sync.drain(at=timezone.now())

    assert Subscription.objects.across_projects().filter(customer_id=buyer.customer_id).exists()
    assert Payment.objects.across_projects().filter(customer_id=buyer.customer_id).exists()
    assert not Invoice.objects.across_projects().filter(customer_id=buyer.customer_id).exists()
    failed = SyncObject.objects.filter(attempts=1)
    assert [each.kind for each in failed] == [ObjectKind.INVOICE]
    assert "attempt_count" in failed[0].last_error


def test_a_lost_lease_changes_nothing_of_its_object_and_the_others_are_stored(
    shop: Shop, monthly: Price, drain: Callable[[], None]
) -> None:
    """Another worker has the invoice now, and will store what it reads."""
    buyer = buy(shop, monthly, drain)
    answers = read_due()
    SyncObject.objects.filter(kind=ObjectKind.INVOICE).update(epoch=F("epoch") + 1)

    assert not object_sync.store_together(answers, at=timezone.now())
    assert not Subscription.objects.across_projects().filter(customer_id=buyer.customer_id).exists()
    stored = {lease.kind: sync.store(lease, read, at=timezone.now()) for lease, read in answers}
    assert not stored.pop(ObjectKind.INVOICE)
    assert all(stored.values())
    assert not Invoice.objects.across_projects().filter(customer_id=buyer.customer_id).exists()


def test_each_event_names_what_caused_it(
    shop: Shop, monthly: Price, drain: Callable[[], None]
) -> None:
    buyer = buy(shop, monthly, drain)
    sync.drain(at=timezone.now())
    events = OutboxEvent.objects.for_project(shop.project).filter(
        customer_id=buyer.customer_id, type__in=["subscription.created", "entitlements.changed"]
    )
    causes = {each.type: each.cause_id for each in events}
    assert set(causes) == {"subscription.created", "entitlements.changed"}
    assert all(cause.startswith("evt_") for cause in causes.values())


def test_a_change_costs_few_statements(
    shop: Shop,
    monthly: Price,
    drain: Callable[[], None],
    django_capture_on_commit_callbacks: Any,
) -> None:
    """Of a subscription that is known, and whose items stay the same."""
    subscription = shop.subscribe(shop.buyer(), monthly)
    with django_capture_on_commit_callbacks(execute=True):  # the process keeps the project's rules
        drain()
    shop.stripe.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    shop.stripe.deliver()
    ((lease, snapshot),) = read_due()
    with CaptureQueriesContext(connection) as queries:
        assert sync.store(lease, snapshot, at=timezone.now())
    assert len(queries) == 21, "\n".join(each["sql"][:110] for each in queries.captured_queries)


def test_a_page_that_is_heard_of_last_is_named_by_its_payment(
    shop: Shop, monthly: Price, drain: Callable[[], None]
) -> None:
    """Its invoice and their payment are stored, and know each other, before we hear of the page."""
    page = shop.checkout(shop.buyer(), monthly)
    drain()
    shop.complete(page)
    shop.stripe.deliver()
    session = SyncObject.objects.filter(kind=ObjectKind.CHECKOUT_SESSION)
    later = session.values_list("next_try_at").get()[0] + timedelta(days=1)
    session.update(next_try_at=later)
    sync.drain(at=timezone.now())
    payment = Payment.objects.across_projects().get()
    assert payment.invoice_stripe_id
    assert payment.checkout_id is None

    session.update(next_try_at=Now())
    sync.drain(at=timezone.now())
    payment.refresh_from_db()
    assert payment.checkout_id == page.pk


def test_a_change_of_a_payment_that_has_no_event_of_its_own_is_one(
    shop: Shop, drain: Callable[[], None]
) -> None:
    buyer = shop.buyer()
    payment = shop.pay(buyer)
    drain()
    assert "payment.updated" not in types(buyer)
    shop.stripe.v1.payment_intents.update(payment, {"metadata": {"seat": "12A"}})
    sync.request_sync(account_id=shop.account.pk, kind=ObjectKind.PAYMENT_INTENT, stripe_id=payment)
    sync.drain(at=timezone.now())
    assert types(buyer).count("payment.updated") == 1
