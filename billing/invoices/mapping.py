"""Invoices with their lines, the payments that settle them and their credit notes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from billing import representation
from billing.access import service as access
from billing.catalog.selectors import coupons as named_coupons
from billing.catalog.selectors.catalog import prices_by_stripe_id
from billing.checkout import page_payments
from billing.models import (
    Coupon,
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    Payment,
    PromotionCode,
    StripeAccount,
    Subscription,
)
from billing.models.invoice import DRAFT, PAID, UNPAYABLE
from billing.models.invoice_payment import PROCESSING
from billing.models.sync_object import ObjectKind
from billing.stripe import invoices as stripe_invoices
from billing.stripe.snapshots import InvoiceSnapshot
from billing.sync.changes import write_and_record
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import Children, Differences, RowPlan, Values
from billing.sync.selectors import owners, page_rows
from billing.sync.selectors.owners import Owner
from events.catalog import EventType
from projects.models import Customer

FINAL = frozenset({PAID, *UNPAYABLE})
DELETED = "deleted"
"""Stripe deletes drafts only, and has no word for one that it deleted."""


def _owner(account: StripeAccount, snapshot: InvoiceSnapshot) -> Owner | None:
    return owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)


def _plan(account: StripeAccount, owner: Owner, snapshot: InvoiceSnapshot) -> RowPlan[Invoice]:
    row = owners.project_row(
        Invoice, account=account, project_id=owner.project_id, stripe_id=snapshot.stripe_id
    ) or Invoice(project_id=owner.project_id, account=account)
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "customer_id": owner.customer_id,
            "subscription_id": _subscription_id(account, owner, snapshot),
            "subscription_stripe_id": snapshot.subscription_stripe_id or "",
            "number": snapshot.number,
            "status": snapshot.status,
            "billing_reason": snapshot.billing_reason,
            "currency": snapshot.currency,
            "subtotal": snapshot.subtotal,
            "discount": snapshot.discount,
            "billing_credits": snapshot.billing_credits,
            "tax": snapshot.tax,
            "total": snapshot.total,
            "amount_due": snapshot.amount_due,
            "amount_paid": snapshot.amount_paid,
            "amount_remaining": snapshot.amount_remaining,
            "amount_credited": snapshot.amount_credited,
            "taxes": _taxes(snapshot),
            "discounts": _discounts(account, owner, snapshot),
            "attempt_count": snapshot.attempt_count,
            "next_attempt_at": snapshot.next_attempt_at,
            "hosted_url": snapshot.hosted_url,
            "pdf_url": snapshot.pdf_url,
            "issued_at": snapshot.issued_at,
            "due_at": snapshot.due_at,
            "paid_at": snapshot.paid_at,
        },
        children=(
            _lines(account, row, snapshot),
            _payments(account, row, snapshot),
            _credit_notes(account, row, snapshot),
        ),
    )


def _taxes(snapshot: InvoiceSnapshot) -> list[dict[str, Any]]:
    return [
        {
            "amount": tax.amount,
            "behavior": "inclusive" if tax.is_inclusive else "exclusive",
            "taxable_amount": tax.taxable_amount,
        }
        for tax in snapshot.taxes
    ]


def _discounts(
    account: StripeAccount, owner: Owner, snapshot: InvoiceSnapshot
) -> list[dict[str, Any]]:
    """What each takes off, under the names of our coupon and code if they are in the catalog."""
    if not snapshot.discounts:
        return []
    coupons, codes = (
        named_coupons.ids_by_stripe_id(
            model, account=account, project_id=owner.project_id, stripe_ids=named
        )
        for model, named in (
            (Coupon, [each.coupon_stripe_id for each in snapshot.discounts]),
            (PromotionCode, [each.promotion_code_stripe_id for each in snapshot.discounts]),
        )
    )
    return [
        {
            "amount": each.amount,
            "coupon": coupons.get(each.coupon_stripe_id),
            "promotion_code": codes.get(each.promotion_code_stripe_id),
        }
        for each in snapshot.discounts
    ]


def _subscription_id(account: StripeAccount, owner: Owner, snapshot: InvoiceSnapshot) -> str | None:
    """Empty while the subscription is not mirrored; it adopts its invoices when it comes."""
    if not snapshot.subscription_stripe_id:
        return None
    row = owners.project_row(
        Subscription,
        account=account,
        project_id=owner.project_id,
        stripe_id=snapshot.subscription_stripe_id,
    )
    return row.pk if row is not None and row.customer_id == owner.customer_id else None


def _lines(account: StripeAccount, row: Invoice, snapshot: InvoiceSnapshot) -> Children:
    ours = [] if row._state.adding else list(row.lines.all())
    named = {line.price_stripe_id for line in snapshot.lines if line.price_stripe_id}
    known = prices_by_stripe_id(account=account, project_id=row.project_id, stripe_ids=named)
    return Children(
        name="lines",
        rows={line.stripe_id: line for line in ours},
        wanted={
            line.stripe_id: {
                "stripe_id": line.stripe_id,
                "description": line.description,
                "price_id": known.get(line.price_stripe_id),
                "quantity": line.quantity,
                "amount": line.amount,
                "discount": line.discount,
                "billing_credits": line.billing_credits,
                "tax": line.tax,
                "currency": line.currency,
                "is_proration": line.is_proration,
                "is_credit": line.is_credit,
                "period_start": line.period_start,
                "period_end": line.period_end,
            }
            for line in snapshot.lines
        },
        new=lambda stripe_id: InvoiceLine(project_id=row.project_id, invoice=row),
    )


def _payments(account: StripeAccount, row: Invoice, snapshot: InvoiceSnapshot) -> Children:
    ours = [] if row._state.adding else list(row.payments.all())
    named = {each.payment_stripe_id for each in snapshot.payments if each.payment_stripe_id}
    known = _payment_ids(account, row.project_id, named)
    return Children(
        name="payments",
        rows={each.stripe_id: each for each in ours},
        wanted={
            each.stripe_id: {
                "stripe_id": each.stripe_id,
                "payment_id": known.get(each.payment_stripe_id),
                "payment_stripe_id": each.payment_stripe_id or "",
                "status": each.status,
                "currency": each.currency,
                "amount_requested": each.amount_requested,
                "amount_paid": each.amount_paid,
            }
            for each in snapshot.payments
        },
        new=lambda stripe_id: InvoicePayment(project_id=row.project_id, invoice=row),
    )


def _payment_ids(
    account: StripeAccount, project_id: str, stripe_ids: set[str]
) -> dict[str | None, str]:
    held = page_rows.find_many(
        Payment, account=account, project_id=project_id, stripe_ids=stripe_ids
    )
    if held is not None:
        return {stripe_id: row.pk for stripe_id, row in held.items()}
    rows = Payment.objects.for_project(project_id).filter(account=account, stripe_id__in=stripe_ids)
    return dict(rows.values_list("stripe_id", "pk"))


def _credit_notes(account: StripeAccount, row: Invoice, snapshot: InvoiceSnapshot) -> Children:
    """Stripe never deletes one: what is not listed any more was void before anything was paid."""
    ours = [] if row._state.adding else list(row.credit_notes.all())
    listed = {note.stripe_id: note for note in snapshot.credit_notes}
    unlisted = {str(note.stripe_id) for note in ours} - listed.keys()
    return Children(
        name="credit_notes",
        rows={str(note.stripe_id): note for note in ours},
        wanted={
            **{stripe_id: {"status": "void"} for stripe_id in unlisted},
            **{
                note.stripe_id: {
                    "stripe_id": note.stripe_id,
                    "number": note.number,
                    "status": note.status,
                    "reason": note.reason,
                    "currency": note.currency,
                    "amount": note.amount,
                    "issued_at": note.issued_at,
                }
                for note in snapshot.credit_notes
            },
        },
        new=lambda stripe_id: CreditNote(project_id=row.project_id, account=account, invoice=row),
    )


def _gone(row: Invoice, at: datetime) -> Values:
    return {} if row.status in FINAL else {"status": DELETED, "next_attempt_at": None}


def _carry_out(planned: RowPlan[Invoice], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    planned.row.customer = customer
    write_and_record(
        planned, customer=customer, render=representation.invoice, happened=_happened, at=at
    )
    page_payments.request_sync_of_payments(invoice=planned.row)
    access.follow_invoice(invoice=planned.row, customer=customer, at=at)


def _happened(planned: RowPlan[Invoice], differences: Differences) -> Iterator[EventType]:
    before, after = differences.get("status", (planned.row.status, planned.row.status))
    if before != after and after == PAID:
        yield EventType.INVOICE_PAID
    if after != PAID and _has_failed(planned, differences, after):
        yield EventType.INVOICE_PAYMENT_FAILED


def _has_failed(planned: RowPlan[Invoice], differences: Differences, status: str) -> bool:
    """Whether a try to collect the money has ended without it. A debit counts as a try from its
    beginning, and fails, if it does, when the bank answers days later."""
    moves = [
        (getattr(each.rows.get(stripe_id), "status", ""), values["status"])
        for each in planned.children
        if each.name == "payments"
        for stripe_id, values in each.wanted.items()
    ]
    if any(after == PROCESSING for _, after in moves):
        return False
    if any(before == PROCESSING for before, _ in moves):
        return True
    tried, tries = differences.get("attempt_count", (0, 0))
    return status != "void" and tries > (tried or 0)


MAPPER: Mapper[InvoiceSnapshot, Invoice] = Mapper(
    model=Invoice, owner=_owner, plan=_plan, gone=_gone, carry_out=_carry_out
)


def _while_draft(row: Invoice) -> bool:
    return row.status == DRAFT


MIRRORED = Mirrored(
    ObjectKind.INVOICE,
    stripe_invoices.retrieve,
    stripe_invoices.iterate,
    MAPPER,
    _while_draft,
)
