"""Invoices: drafted, finalized, voided, marked uncollectible. ``collection`` takes payment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox import payments
from sandbox.billing import (
    credit_grants,
    customer_balance,
    discounts,
    invoice_lines,
    invoice_object,
    invoice_settings,
    invoice_totals,
    taxes,
)
from sandbox.billing.billing_periods import HOUR
from sandbox.billing.discounts import DiscountChoice
from sandbox.objects import Object
from sandbox.transaction import Transaction

DRAFT_SECONDS = HOUR
"""Seconds that an automatic invoice stays a draft."""


@dataclass(frozen=True, kw_only=True)
class DraftRequest:
    """The content of a new draft.

    ``invoice_items``: None takes all pending items. ``discount_choices`` and ``automatic_tax``:
    None takes the subscription's discounts and tax setting.
    """

    customer: Object
    currency: str
    billing_reason: str
    lines: list[Object] = field(default_factory=list)
    subscription: Object | None = None
    auto_advance: bool = True
    invoice_items: list[Object] | None = None
    uses_balance: bool = True
    discount_choices: list[DiscountChoice] | None = None
    automatic_tax: bool | None = None


def create_draft(tx: Transaction, request: DraftRequest, **fields: Any) -> Object:
    """Create a draft. With ``auto_advance`` it is finalized an hour later.

    ``fields`` override fields of the Invoice object.
    """
    customer, subscription = request.customer, request.subscription
    invoice = tx.insert(
        invoice_object.build_invoice(
            tx, customer, request.currency, request.billing_reason, subscription
        )
    )
    if _is_taxed(subscription) if request.automatic_tax is None else request.automatic_tax:
        invoice["automatic_tax"] |= taxes.enabled_automatic_tax()
    invoice |= {**invoice_settings.invoice_fields(subscription, tx.now), **fields}
    for line in request.lines:
        add_line(tx, invoice, line)
    pending_items = request.invoice_items
    if pending_items is None:
        pending_items = list_pending_items(tx, customer["id"], request.currency, subscription)
    for item in pending_items:
        item["invoice"] = invoice["id"]
        add_line(tx, invoice, invoice_lines.for_invoice_item(tx, item))
    invoice["auto_advance"] = request.auto_advance
    if request.auto_advance:
        schedule_finalization(tx, invoice)
    invoice["discounts"] = _attach_discounts(tx, invoice, subscription, request.discount_choices)
    compute_amounts(tx, invoice, uses_balance=request.uses_balance)
    if subscription:
        discounts.remove_used(tx, subscription, invoice)
    tx.emit("invoice.created", invoice)
    return invoice


def schedule_finalization(tx: Transaction, invoice: Object) -> None:
    """Schedule finalization in an hour, and the payment unless the invoice is sent."""
    finalizes_at = tx.now + DRAFT_SECONDS
    is_sent = invoice["collection_method"] == invoice_settings.SEND_INVOICE
    invoice["automatically_finalizes_at"] = finalizes_at
    invoice["next_payment_attempt"] = None if is_sent else finalizes_at


def _is_taxed(subscription: Object | None) -> bool:
    return bool(subscription and subscription["automatic_tax"]["enabled"])


def _attach_discounts(
    tx: Transaction,
    invoice: Object,
    subscription: Object | None,
    choices: Iterable[DiscountChoice] | None,
) -> list[str]:
    if choices is not None:
        customer: str = invoice["customer"]
        return [
            discounts.attach_discount(tx, each, customer=customer, holder=invoice)
            for each in choices
        ]
    return discounts.list_active(tx, subscription) if subscription else []


def list_pending_items(
    tx: Transaction, customer: str, currency: str, subscription: Object | None
) -> list[Object]:
    """Pending invoice items: the subscription's, and those without a subscription."""
    fits = (None, subscription["id"] if subscription else None)

    def wanted(item: Object) -> bool:
        details = (item.get("parent") or {}).get("subscription_details") or {}
        return (
            item.get("invoice", "") is None
            and item["customer"] == customer
            and item["currency"] == currency
            and details.get("subscription") in fits
        )

    return tx.list_objects("invoiceitem", wanted)


def add_line(tx: Transaction, invoice: Object, line: Object) -> None:
    line = {"id": tx.new_id("il"), **line, "invoice": invoice["id"]}
    tx.insert(line)
    invoice["lines"]["data"].append(line)


def compute_amounts(
    tx: Transaction, invoice: Object, *, uses_balance: bool = True, uses_credits: bool = False
) -> None:
    """Compute the amounts of a draft, including the customer's balance."""
    invoice_totals.compute_totals(tx, invoice, uses_credits=uses_credits)
    balance = _find_customer(tx, invoice)["balance"] if uses_balance else 0
    due, _ = invoice_totals.apply_balance(invoice["total"], balance, invoice["currency"])
    invoice |= {"starting_balance": balance, "amount_due": due, "amount_remaining": due}


def finalize_invoice(tx: Transaction, invoice: Object, *, uses_balance: bool = True) -> None:
    """Finalize the draft: it gets its number and opens; lines and amounts no longer change."""
    customer = _find_customer(tx, invoice)
    invoice_lines.remeasure_usage(tx, invoice)
    compute_amounts(tx, invoice, uses_balance=uses_balance, uses_credits=True)
    if invoice["automatic_tax"]["status"] == "requires_location_inputs":
        reason = "finalization_requires_location_inputs"
        invoice["automatic_tax"] |= {"disabled_reason": reason, "enabled": False, "status": None}
    balance = customer["balance"]
    if uses_balance:
        _, balance = invoice_totals.apply_balance(invoice["total"], balance, invoice["currency"])
    is_renewal = invoice["billing_reason"] == "subscription_cycle"
    announces = not is_renewal or balance != customer["balance"]
    with tx.updating(customer, *(["customer.updated"] if announces else [])):
        number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
        customer["next_invoice_sequence"] += 1
        customer |= {"balance": balance, "currency": invoice["currency"]}
    if balance != invoice["starting_balance"] and uses_balance:
        customer_balance.record_transaction(
            tx,
            customer,
            balance - invoice["starting_balance"],
            currency=invoice["currency"],
            transaction_type="applied_to_invoice",
            invoice=invoice["id"],
        )
    page = f"{tx.world.base_url}/pages/invoices/{invoice['id']}"
    invoice |= {
        "automatically_finalizes_at": None,
        "due_date": invoice_settings.due_date(find_subscription(tx, invoice), tx.now),
        "effective_at": tx.now,
        "ending_balance": balance,
        "hosted_invoice_url": page,
        "invoice_pdf": f"{page}/pdf",
        "next_payment_attempt": None,
        "number": number,
        "status": "open",
    }
    invoice["status_transitions"]["finalized_at"] = tx.now
    tx.emit("invoice.finalized", invoice)


def void_invoice(tx: Transaction, invoice: Object) -> None:
    """Void an open invoice and cancel its payments."""
    cancel_payments(tx, invoice)
    credit_grants.reinstate_credits(tx, invoice)
    with tx.updating(invoice, *updated_event(tx, invoice)):
        invoice |= {"auto_advance": False, "next_payment_attempt": None, "status": "void"}
        invoice["status_transitions"]["voided_at"] = tx.now
    tx.emit("invoice.voided", invoice)


def mark_uncollectible(tx: Transaction, invoice: Object, *, reason: str) -> None:
    """Mark an open invoice as uncollectible; it can still be paid."""
    with tx.updating(invoice, *updated_event(tx, invoice)):
        invoice |= {
            "auto_advance": False,
            "next_payment_attempt": None,
            "status": "uncollectible",
            "status_details": {"uncollectible": {"reason": reason}},
        }
        invoice["status_transitions"]["marked_uncollectible_at"] = tx.now
    tx.emit("invoice.marked_uncollectible", invoice)


def stop_advancing(tx: Transaction, invoice: Object) -> None:
    """Stop automatic finalization and collection of the invoice."""
    with tx.updating(invoice, *updated_event(tx, invoice)):
        invoice |= {
            "auto_advance": False,
            "automatically_finalizes_at": None,
            "next_payment_attempt": None,
        }


def updated_event(tx: Transaction, invoice: Object) -> list[str]:
    """``invoice.updated``; no event for an invoice created in this transaction."""
    return ["invoice.updated"] if tx.stored(invoice) else []


def find_subscription(tx: Transaction, invoice: Object) -> Object | None:
    """The subscription of the invoice, if it has one."""
    parent = invoice["parent"]
    if not parent or not parent["subscription_details"]:
        return None
    return tx.get("subscription", parent["subscription_details"]["subscription"])


def list_of_subscription(tx: Transaction, subscription: str) -> list[Object]:
    """The subscription's invoices, oldest first."""

    def wanted(invoice: Object) -> bool:
        details = (invoice.get("parent") or {}).get("subscription_details") or {}
        return bool(details.get("subscription") == subscription)

    return tx.list_objects("invoice", wanted)


def list_payments(tx: Transaction, invoice: Object) -> list[Object]:
    """The invoice's ``invoice_payment`` objects, oldest first."""
    return tx.list_with("invoice_payment", "invoice", invoice["id"])


def find_intent(tx: Transaction, invoice: Object) -> Object | None:
    """The invoice's default payment intent."""
    for payment in list_payments(tx, invoice):
        if payment["is_default"]:
            return tx.get("payment_intent", payment["payment"]["payment_intent"])
    return None


def cancel_payments(tx: Transaction, invoice: Object) -> None:
    """Cancel the open payments of an invoice and their intents."""
    for payment in list_payments(tx, invoice):
        if payment["status"] != "open":
            continue
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = tx.now
        intent = tx.get("payment_intent", payment["payment"]["payment_intent"])
        if intent and intent["status"] not in ("succeeded", "canceled"):
            payments.cancel_payment(tx, intent, "void_invoice")


def _find_customer(tx: Transaction, invoice: Object) -> Object:
    return tx.param_object("customer", invoice["customer"], param="customer")
