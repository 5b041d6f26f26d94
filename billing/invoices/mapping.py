"""Store a Stripe invoice with its lines, payments and credit notes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing import representation
from billing.access import service as access
from billing.catalog.selectors import coupons as named_coupons
from billing.catalog.selectors.catalog import prices_by_stripe_id
from billing.checkout import page_payments
from billing.invoices import invoice_events, linked_payments
from billing.invoices.selectors import payments_by_stripe_id
from billing.invoices.shown_invoices import RELATIONS
from billing.models import (
    Coupon,
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    PromotionCode,
    StripeAccount,
    Subscription,
)
from billing.models.invoice import DELETED, DRAFT, PAID, UNPAYABLE
from billing.models.sync_object import ObjectKind
from billing.stripe import invoices as stripe_invoices
from billing.stripe.snapshots import InvoiceLineSnapshot, InvoiceSnapshot
from billing.sync.changes import write_and_record
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import Children, RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from common import prepared_relations
from common.prepared_relations import rows_of
from events.catalog import EventType
from projects.models import Customer

FINAL_STATUSES = frozenset({PAID, *UNPAYABLE})


def _find_owner(account: StripeAccount, snapshot: InvoiceSnapshot) -> Owner | None:
    return owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)


def _plan_row(account: StripeAccount, owner: Owner, snapshot: InvoiceSnapshot) -> RowPlan[Invoice]:
    row = owners.project_row(
        Invoice, account=account, project_id=owner.project_id, stripe_id=snapshot.stripe_id
    ) or Invoice(project_id=owner.project_id, account=account)
    if not row._state.adding:
        prepared_relations.load([row], *RELATIONS)
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "customer_id": owner.customer_id,
            "subscription_id": _find_subscription_id(account, owner, snapshot),
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
            "taxes": _tax_values(snapshot),
            "discounts": _discount_values(account, owner, snapshot),
            "attempt_count": snapshot.attempt_count,
            "next_attempt_at": snapshot.next_attempt_at,
            "hosted_url": snapshot.hosted_url,
            "pdf_url": snapshot.pdf_url,
            "issued_at": snapshot.issued_at,
            "due_at": snapshot.due_at,
            "paid_at": snapshot.paid_at,
        },
        children=(
            _plan_lines(account, row, snapshot),
            _plan_payments(account, row, snapshot),
            _plan_credit_notes(account, row, snapshot),
        ),
        relations=RELATIONS,
    )


def _tax_values(snapshot: InvoiceSnapshot) -> list[dict[str, Any]]:
    return [
        {
            "amount": tax.amount,
            "behavior": "inclusive" if tax.is_inclusive else "exclusive",
            "taxable_amount": tax.taxable_amount,
        }
        for tax in snapshot.taxes
    ]


def _discount_values(
    account: StripeAccount, owner: Owner, snapshot: InvoiceSnapshot
) -> list[dict[str, Any]]:
    """Return each discount's amount, with the ids of our coupon and code that the catalog has."""
    if not snapshot.discounts:
        return []
    coupons, codes = (
        named_coupons.ids_by_stripe_id(
            model, account=account, project_id=owner.project_id, stripe_ids=stripe_ids
        )
        for model, stripe_ids in (
            (Coupon, [each.coupon_stripe_id for each in snapshot.discounts]),
            (PromotionCode, [each.promotion_code_stripe_id for each in snapshot.discounts]),
        )
    )
    return [
        {
            "amount": discount.amount,
            "coupon": coupons.get(discount.coupon_stripe_id),
            "promotion_code": codes.get(discount.promotion_code_stripe_id),
        }
        for discount in snapshot.discounts
    ]


def _find_subscription_id(
    account: StripeAccount, owner: Owner, snapshot: InvoiceSnapshot
) -> str | None:
    """Return our id of the subscription.

    None until the subscription is stored, which then links its invoices.
    """
    if not snapshot.subscription_stripe_id:
        return None
    row = owners.project_row(
        Subscription,
        account=account,
        project_id=owner.project_id,
        stripe_id=snapshot.subscription_stripe_id,
    )
    return row.pk if row is not None and row.customer_id == owner.customer_id else None


def _plan_lines(account: StripeAccount, row: Invoice, snapshot: InvoiceSnapshot) -> Children:
    stored_rows = [] if row._state.adding else rows_of(row, "lines")
    stripe_ids = {line.price_stripe_id for line in snapshot.lines if line.price_stripe_id}
    price_ids = prices_by_stripe_id(
        account=account, project_id=row.project_id, stripe_ids=stripe_ids
    )
    rows = {line.stripe_id: line for line in stored_rows}
    return Children(
        name="lines",
        rows=rows,
        values_by_id={
            line.stripe_id: {
                "stripe_id": line.stripe_id,
                "description": line.description,
                **_price_of(line, rows.get(line.stripe_id), price_ids),
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


def _price_of(
    line: InvoiceLineSnapshot, stored: InvoiceLine | None, price_ids: Mapping[str | None, str]
) -> Values:
    """The line's price; a price that is mirrored later finds the line by Stripe's id.

    A line that was stored before it had that column stays as it is: reconciliation would report it
    as drift.
    """
    price_id = price_ids.get(line.price_stripe_id)
    is_old = stored is not None and not (stored.price_id or stored.unknown_price_stripe_id)
    unknown = "" if price_id or is_old else line.price_stripe_id
    return {"price_id": price_id, "unknown_price_stripe_id": unknown or ""}


def _plan_payments(account: StripeAccount, row: Invoice, snapshot: InvoiceSnapshot) -> Children:
    stored_rows = [] if row._state.adding else rows_of(row, "payments")
    stripe_ids = {
        payment.payment_stripe_id for payment in snapshot.payments if payment.payment_stripe_id
    }
    payment_ids = payments_by_stripe_id(
        account=account, project_id=row.project_id, stripe_ids=stripe_ids
    )
    return Children(
        name="payments",
        rows={stored.stripe_id: stored for stored in stored_rows},
        values_by_id={
            payment.stripe_id: {
                "stripe_id": payment.stripe_id,
                "payment_id": payment_ids.get(payment.payment_stripe_id),
                "payment_stripe_id": payment.payment_stripe_id or "",
                "status": payment.status,
                "currency": payment.currency,
                "amount_requested": payment.amount_requested,
                "amount_paid": payment.amount_paid,
            }
            for payment in snapshot.payments
        },
        new=lambda stripe_id: InvoicePayment(project_id=row.project_id, invoice=row),
    )


def _plan_credit_notes(account: StripeAccount, row: Invoice, snapshot: InvoiceSnapshot) -> Children:
    """Plan the credit notes. Stripe deletes none: a stored one that it no longer lists is void."""
    stored_rows = [] if row._state.adding else rows_of(row, "credit_notes")
    listed_ids = {note.stripe_id for note in snapshot.credit_notes}
    voided_ids = {str(note.stripe_id) for note in stored_rows} - listed_ids
    return Children(
        name="credit_notes",
        rows={str(note.stripe_id): note for note in stored_rows},
        values_by_id={
            **{stripe_id: {"status": "void"} for stripe_id in voided_ids},
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


def _values_when_gone(row: Invoice, at: datetime) -> Values:
    return {} if row.status in FINAL_STATUSES else {"status": DELETED, "next_attempt_at": None}


def _write_plan(plan: RowPlan[Invoice], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    plan.row.customer = customer
    payments = linked_payments.bodies_before(plan)
    write_and_record(
        plan,
        customer=customer,
        render=representation.invoice,
        event_types=invoice_events.event_types,
        otherwise=EventType.INVOICE_UPDATED,
        at=at,
    )
    linked_payments.record_changes(payments, customer=customer, at=at)
    page_payments.request_sync_of_payments(invoice=plan.row)
    access.follow_invoice(invoice=plan.row, customer=customer, at=at)


MAPPER: Mapper[InvoiceSnapshot, Invoice] = Mapper(
    model=Invoice, owner=_find_owner, plan=_plan_row, gone=_values_when_gone, carry_out=_write_plan
)


def _is_deletable(row: Invoice) -> bool:
    return row.status == DRAFT


MIRRORED = Mirrored(
    ObjectKind.INVOICE,
    stripe_invoices.retrieve,
    stripe_invoices.iterate,
    MAPPER,
    _is_deletable,
)
