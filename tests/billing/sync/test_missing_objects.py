"""A 404 of Stripe means "gone" only for deletable kinds and a few objects at a time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import (
    Checkout,
    Coupon,
    Invoice,
    MissingObject,
    Payment,
    Price,
    Product,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SyncObject,
)
from billing.models.mirror import Mirror
from billing.models.sync_object import ObjectKind
from billing.sync import kinds, missing_objects
from billing.sync import service as sync
from billing.sync.missing_objects import AlreadyDecided, StripeObjectVanished
from billing.sync.selectors import missing_objects as missing_object_selectors
from config import health
from events.models import AuditEntry
from tests.api_client import ApiClient
from tests.billing import outbox_events
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

Drain = Callable[[], None]
KEPT_FOR_EVER = (
    ObjectKind.CUSTOMER,
    ObjectKind.SUBSCRIPTION,
    ObjectKind.INVOICE,
    ObjectKind.PAYMENT_INTENT,
    ObjectKind.CHECKOUT_SESSION,
)


def forget(stripe: SandboxStripe, kind: str, stripe_id: str | None) -> None:
    """The object answers 404 from now on, and no event says why."""
    with stripe.world.transaction() as tx:
        tx.remove(tx.path_object(kinds_at_stripe(kind), str(stripe_id)))


def kinds_at_stripe(kind: str) -> str:
    return {"checkout_session": "checkout.session"}.get(kind, kind)


def read(account: StripeAccount, kind: str, stripe_id: str | None) -> None:
    sync.now(account=account, kind=kind, stripe_id=str(stripe_id), at=timezone.now())


def waiting() -> list[tuple[str, str]]:
    rows = MissingObject.objects.across_projects().filter(state="waiting").order_by("pk")
    return [(row.kind, row.reason) for row in rows]


def coupons(shop: Shop, count: int) -> list[Coupon]:
    rows = []
    for _ in range(count):
        row = Coupon.objects.create(
            project=shop.project, account=shop.account, percent_off=10, duration="once"
        )
        at_stripe = shop.stripe.v1.coupons.create(
            {"percent_off": 10, "duration": "once", "metadata": {"tollgate_id": row.pk}}
        )
        Coupon.objects.for_project(shop.project).filter(pk=row.pk).update(stripe_id=at_stripe.id)
        row.refresh_from_db()
        read(shop.account, ObjectKind.COUPON, row.stripe_id)
        rows.append(row)
    return rows


@pytest.fixture
def account_objects(
    shop: Shop, alice: StripeCustomer, monthly: Price, once: Price, drain: Drain
) -> Shop:
    """One object of each kind that Stripe never deletes; the page is still open."""
    shop.subscribe(alice, monthly)
    shop.checkout(alice, once)
    drain()
    Payment.objects.for_project(shop.project).update(paid_at=None)
    Invoice.objects.for_project(shop.project).update(status="open")
    return shop


@pytest.mark.parametrize("kind", KEPT_FOR_EVER)
def test_objects_that_stripe_never_deletes_are_never_gone(
    account_objects: Shop, kind: ObjectKind
) -> None:
    model: type[Mirror] = kinds.of(kind).mapper.model
    row = model.objects.for_project(account_objects.project).get()
    before = model.objects.for_project(account_objects.project).values().get()
    before_events = outbox_events.types(account_objects.project)
    forget(account_objects.stripe, kind, row.stripe_id)
    with pytest.raises(StripeObjectVanished):
        read(account_objects.account, kind, row.stripe_id)
    assert model.objects.for_project(account_objects.project).values().get() == before
    parked_event = outbox_events.last(account_objects.project, "stripe_object.")
    assert outbox_events.types(account_objects.project) == [*before_events, parked_event.type]
    assert (parked_event.type, parked_event.subject) == ("stripe_object.parked", row.pk)
    assert waiting() == [(kind.value, "never_deleted")]
    parked = SyncObject.objects.get(kind=kind, stripe_id=row.stripe_id)
    assert (parked.state, parked.attempts) == ("parked", 0)
    check = health.gather(timezone.now())["stripe_accounts"]
    assert check.detail == "1 object(s) missing at Stripe wait for a decision"


def test_a_background_read_parks_it_at_once(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    forget(shop.stripe, "subscription", stripe_id)
    sync.request_sync(account_id=shop.account.pk, kind=ObjectKind.SUBSCRIPTION, stripe_id=stripe_id)
    sync.drain(at=timezone.now())
    assert SyncObject.objects.get(stripe_id=stripe_id).state == "parked"
    assert Subscription.objects.for_project(shop.project).get().status == "active"


def test_a_draft_invoice_can_be_deleted(
    shop: Shop, alice: StripeCustomer, stripe: SandboxStripe, drain: Drain
) -> None:
    draft = stripe.v1.invoices.create({"customer": str(alice.stripe_id)})
    drain()
    stripe.v1.invoices.delete(str(draft.id))
    drain()
    assert Invoice.objects.for_project(shop.project).get().status == "deleted"
    assert waiting() == []


def test_one_product_may_be_deleted(shop: Shop, stripe: SandboxStripe, drain: Drain) -> None:
    product = shop.product()
    stripe.v1.products.delete(str(product.stripe_id))
    drain()
    assert not Product.objects.for_project(shop.project).get().active
    row = MissingObject.objects.for_project(shop.project).get()
    assert (row.state, row.reason, row.our_id) == ("gone", "deleted", product.pk)


def test_a_customer_deleted_at_stripe_needs_no_decision(
    shop: Shop, alice: StripeCustomer, stripe: SandboxStripe, drain: Drain
) -> None:
    stripe.v1.customers.delete(str(alice.stripe_id))
    drain()
    assert StripeCustomer.objects.for_project(shop.project).get().deleted_at is not None
    assert not MissingObject.objects.across_projects().exists()


def test_many_missing_objects_wait_for_an_operator(shop: Shop) -> None:
    """Of fewer than 200 objects one may go; the second waits, and the next day all still wait."""
    rows = coupons(shop, 4)
    for row in rows:
        forget(shop.stripe, "coupon", row.stripe_id)
    read(shop.account, ObjectKind.COUPON, rows[0].stripe_id)
    for row in rows[1:3]:
        with pytest.raises(StripeObjectVanished):
            read(shop.account, ObjectKind.COUPON, row.stripe_id)
    with pytest.raises(StripeObjectVanished):
        sync.now(
            account=shop.account,
            kind=ObjectKind.COUPON,
            stripe_id=str(rows[3].stripe_id),
            at=timezone.now() + timedelta(days=2),
        )
    assert waiting() == [("coupon", "too_many")] * 3
    valid = Coupon.objects.for_project(shop.project).order_by("pk").values_list("valid", flat=True)
    assert list(valid) == [False, True, True, True]


@pytest.mark.parametrize(
    ("mirrored", "allowed"), [(1, 1), (199, 1), (200, 2), (499, 4), (500, 5), (90_000, 5)]
)
def test_the_number_of_objects_that_may_disappear_has_a_limit(mirrored: int, allowed: int) -> None:
    assert missing_objects.allowed(mirrored) == allowed


def test_the_rows_of_all_kinds_are_counted_and_no_further_than_needed(
    account_objects: Shop,
) -> None:
    models = [each.mapper.model for each in kinds.KINDS.values()]
    rows = sum(
        model.objects.across_projects().filter(stripe_id__isnull=False).count() for model in models
    )
    assert missing_object_selectors.mirrored(account_objects.account, models, at_most=500) == rows
    assert missing_object_selectors.mirrored(account_objects.account, models, at_most=3) == 3


def test_an_object_deleted_through_our_api_needs_no_decision(
    shop: Shop, api: ApiClient, stripe: SandboxStripe
) -> None:
    product = shop.product()
    for number in range(7):
        response = api.post(
            "/coupons",
            {
                "name": f"Sale {number}",
                "percent_off": "10",
                "duration": "once",
                "products": [product.pk],
            },
        )
        assert response.status_code == 201, response.json()
        assert api.delete(f"/coupons/{response.json()['id']}").status_code in (200, 204)
    assert Coupon.objects.for_project(shop.project).filter(deleted_at__isnull=True).count() == 0
    assert waiting() == []


def test_an_operator_accepts_that_an_object_is_gone(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    forget(shop.stripe, "subscription", stripe_id)
    with pytest.raises(StripeObjectVanished):
        read(shop.account, ObjectKind.SUBSCRIPTION, stripe_id)
    row = MissingObject.objects.for_project(shop.project).get()
    now = timezone.now()
    missing_objects.accept(row=row, actor="operator:ann", reason="Deleted.", at=now)
    drain()
    subscription = Subscription.objects.for_project(shop.project).get()
    assert subscription.status == "canceled"
    entry = AuditEntry.objects.get(action="missing_object.accept")
    assert (entry.subject, entry.reason) == (subscription.pk, "Deleted.")
    with pytest.raises(AlreadyDecided):
        missing_objects.dismiss(row=row, actor="operator:ann", reason="Not yet.", at=now)


def test_an_operator_keeps_our_row(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    forget(shop.stripe, "subscription", stripe_id)
    with pytest.raises(StripeObjectVanished):
        read(shop.account, ObjectKind.SUBSCRIPTION, stripe_id)
    row = MissingObject.objects.for_project(shop.project).get()
    missing_objects.dismiss(row=row, actor="operator:ann", reason="Look.", at=timezone.now())
    drain()
    read(shop.account, ObjectKind.SUBSCRIPTION, stripe_id)
    assert Subscription.objects.for_project(shop.project).get().status == "active"
    assert SyncObject.objects.get(stripe_id=stripe_id).state == "applied"
    assert waiting() == []


def test_accepting_ends_nothing_that_stripe_knows_again(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    with shop.stripe.unchanged():
        forget(shop.stripe, "subscription", stripe_id)
        with pytest.raises(StripeObjectVanished):
            read(shop.account, ObjectKind.SUBSCRIPTION, stripe_id)
    row = MissingObject.objects.for_project(shop.project).get()
    missing_objects.accept(row=row, actor="operator:ann", reason="Gone?", at=timezone.now())
    drain()
    assert Subscription.objects.for_project(shop.project).get().status == "active"


def test_foreign_objects_and_ended_rows_need_no_decision(account_objects: Shop) -> None:
    read(account_objects.account, ObjectKind.SUBSCRIPTION, "sub_of_nobody")
    checkout = Checkout.objects.for_project(account_objects.project).get()
    Checkout.objects.for_project(account_objects.project).update(status="complete")
    forget(account_objects.stripe, "checkout_session", checkout.stripe_id)
    read(account_objects.account, ObjectKind.CHECKOUT_SESSION, checkout.stripe_id)
    assert not MissingObject.objects.across_projects().exists()
