"""A payment's events name its invoice, in whichever order the two are stored."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone

from billing.models import InvoicePayment, Payment, Price, SyncObject
from billing.models.sync_object import ObjectKind
from billing.sync import service as sync
from events.models import OutboxEvent
from tests.api_client import ApiClient
from tests.shop import Shop

KINDS = (ObjectKind.SUBSCRIPTION, ObjectKind.INVOICE, ObjectKind.PAYMENT_INTENT)

FOR_ITS_PAGE = ("client_secret", "publishable_key", "url")


def events_of(payment: Payment) -> list[OutboxEvent]:
    rows = OutboxEvent.objects.for_project(payment.project_id).filter(subject=payment.pk)
    return list(rows.order_by("version", "id"))


def copy_of(payment: Payment) -> dict[str, Any]:
    """What somebody knows who only reads events; each event's ``previous`` fits the one before."""
    copy: dict[str, Any] = {}
    for event in events_of(payment):
        if copy:
            assert event.previous.items() <= copy.items()
        copy = event.data
    return copy


def shown(api: ApiClient, payment: Payment) -> dict[str, Any]:
    """The body of the payment without what only its payer's page needs."""
    body: dict[str, Any] = api.get(f"/payments/{payment.pk}").json()
    return {name: value for name, value in body.items() if name not in FOR_ITS_PAGE}


@pytest.mark.parametrize("order", list(permutations(KINDS)), ids="-".join)
def test_a_copy_from_events_equals_the_payment_at_each_step(
    order: Sequence[ObjectKind],
    shop: Shop,
    monthly: Price,
    drain: Callable[[], None],
    api: ApiClient,
) -> None:
    buyer = shop.buyer()
    drain()
    shop.subscribe(buyer, monthly)
    shop.stripe.deliver()
    due = [(lease, sync.read(lease)) for lease in sync.claim_due(limit=50)]
    for kind in order:
        for lease, snapshot in due:
            if lease.kind == kind:
                assert sync.store(lease, snapshot, at=timezone.now())
        for payment in Payment.objects.across_projects():
            assert copy_of(payment) == shown(api, payment)
    drain()

    payment = Payment.objects.across_projects().get()
    types = [event.type for event in events_of(payment)]
    is_payment_first = order.index(ObjectKind.PAYMENT_INTENT) < order.index(ObjectKind.INVOICE)
    assert types == ["payment.created", "payment.paid", *["payment.updated"] * is_payment_first]
    assert copy_of(payment) == shown(api, payment)
    assert copy_of(payment)["invoice"]


def test_a_payment_that_its_invoice_no_longer_lists_says_so(
    shop: Shop, monthly: Price, drain: Callable[[], None], api: ApiClient
) -> None:
    shop.subscribe(shop.buyer(), monthly)
    drain()
    payment = Payment.objects.across_projects().get()
    part = InvoicePayment.objects.for_project(shop.project).get()
    sync.request_sync(
        account_id=shop.account.pk, kind=ObjectKind.INVOICE, stripe_id=str(part.invoice.stripe_id)
    )
    with shop.stripe.world.transaction() as tx:
        (stored,) = tx.list_objects("invoice_payment", lambda each: each["id"] == part.stripe_id)
        stored["payment"]["payment_intent"] = None
    drain()

    assert events_of(payment)[-1].type == "payment.updated"
    assert events_of(payment)[-1].previous == {"invoice": part.invoice_id}
    assert copy_of(payment) == shown(api, payment)
    assert copy_of(payment)["invoice"] is None


def test_a_link_that_is_missing_is_told_when_it_is_set(
    shop: Shop, monthly: Price, drain: Callable[[], None], api: ApiClient
) -> None:
    shop.subscribe(shop.buyer(), monthly)
    drain()
    payment = Payment.objects.across_projects().get()
    InvoicePayment.objects.for_project(shop.project).update(payment=None)
    SyncObject.objects.filter(kind=ObjectKind.PAYMENT_INTENT).update(applied_digest=None)
    sync.request_sync(
        account_id=shop.account.pk, kind=ObjectKind.PAYMENT_INTENT, stripe_id=str(payment.stripe_id)
    )
    drain()

    assert events_of(payment)[-1].previous == {"invoice": None}
    assert events_of(payment)[-1].data == shown(api, payment)
