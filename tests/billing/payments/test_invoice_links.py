"""A payment's events name its invoice, and the invoice's events the payment, in whichever order the
two are stored."""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Invoice, InvoicePayment, Payment, Price, SyncObject
from billing.models.sync_object import ObjectKind
from billing.sync import object_sync
from billing.sync import service as sync
from events.models import OutboxEvent
from tests.api_client import ApiClient
from tests.shop import Shop

KINDS = (ObjectKind.SUBSCRIPTION, ObjectKind.INVOICE, ObjectKind.PAYMENT_INTENT)

FOR_ITS_PAGE = ("client_secret", "publishable_key", "url")


def events_of(row: Payment | Invoice) -> list[OutboxEvent]:
    rows = OutboxEvent.objects.for_project(row.project_id).filter(subject=row.pk)
    return list(rows.order_by("version", "id"))


def copy_of(row: Payment | Invoice) -> dict[str, Any]:
    """What somebody knows who only reads events; each event's ``previous`` fits the one before."""
    copy: dict[str, Any] = {}
    for event in events_of(row):
        if copy:
            assert event.previous.items() <= copy.items()
        copy = event.data
    return copy


def shown(api: ApiClient, row: Payment | Invoice) -> dict[str, Any]:
    """The body of the row without what only its payer's page needs."""
    path = "payments" if isinstance(row, Payment) else "invoices"
    body: dict[str, Any] = api.get(f"/{path}/{row.pk}").json()
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
        rows: list[Payment | Invoice] = [*Payment.objects.across_projects()]
        rows += Invoice.objects.across_projects()
        for row in rows:
            assert copy_of(row) == shown(api, row)
    drain()

    payment = Payment.objects.across_projects().get()
    types = [event.type for event in events_of(payment)]
    is_payment_first = order.index(ObjectKind.PAYMENT_INTENT) < order.index(ObjectKind.INVOICE)
    assert types == ["payment.created", "payment.paid", *["payment.updated"] * is_payment_first]
    assert copy_of(payment) == shown(api, payment)
    assert copy_of(payment)["invoice"]
    invoice = Invoice.objects.across_projects().get()
    types = [event.type for event in events_of(invoice)]
    later = order[order.index(ObjectKind.INVOICE) + 1 :]
    assert types == ["invoice.finalized", "invoice.paid", *["invoice.updated"] * len(later)]
    assert copy_of(invoice) == shown(api, invoice)
    assert [each["payment"] for each in copy_of(invoice)["payments"]] == [payment.pk]


def test_events_of_what_is_stored_together_show_the_end_of_it(
    shop: Shop, monthly: Price, drain: Callable[[], None], api: ApiClient
) -> None:
    """An invoice and then its payment, in one transaction: nobody sees the invoice without it, and
    no event repeats the others. They have one version."""
    buyer = shop.buyer()
    drain()
    shop.subscribe(buyer, monthly)
    shop.stripe.deliver()
    due = [(lease, sync.read(lease)) for lease in sync.claim_due(limit=50)]
    answers = [(lease, snapshot) for lease, snapshot in due if snapshot is not None]
    assert object_sync.store_together(answers, at=timezone.now())

    payment = Payment.objects.across_projects().get()
    invoice = Invoice.objects.across_projects().get()
    events = [*events_of(invoice), *events_of(payment)]
    assert [event.type for event in events] == [
        "invoice.finalized",
        "invoice.paid",
        "payment.created",
        "payment.paid",
    ]
    assert [event.data for event in events[:2]] == [shown(api, invoice)] * 2
    assert [event.previous for event in events] == [{}] * 4
    assert [each["payment"] for each in events[0].data["payments"]] == [payment.pk]
    versions = OutboxEvent.objects.for_project(shop.project).filter(
        customer_id=payment.customer_id, id__gte=events[0].pk
    )
    assert len(set(versions.values_list("version", flat=True))) == 1


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
