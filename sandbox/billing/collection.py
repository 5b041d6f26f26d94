"""Collection of invoices: payment attempts, retries and their results."""

from __future__ import annotations

from sandbox import bank_debits, payment_intent_object, payments
from sandbox.billing import (
    billing_settings,
    invoice_settings,
    invoices,
    pending_updates,
    subscription_status,
)
from sandbox.billing.billing_periods import DAY
from sandbox.objects import Object
from sandbox.resources import invoice_payments
from sandbox.transaction import Transaction

DESCRIPTIONS = {
    "subscription_create": "Subscription creation",
    "subscription_cycle": "Subscription update",
    "subscription_update": "Subscription update",
}


def finalize(tx: Transaction, invoice: Object) -> None:
    """Finalize the draft; an invoice with nothing due is paid at once."""
    invoices.finalize_invoice(tx, invoice)
    if invoice["amount_due"] == 0:
        mark_paid(tx, invoice)


def finalize_and_collect(tx: Transaction, invoice: Object, *, off_session: bool) -> None:
    """Finalize the draft, then charge it, or send it for ``send_invoice``."""
    finalize(tx, invoice)
    if invoice["status"] == "open" and is_sent(invoice):
        create_unconfirmed_intent(tx, invoice)
        tx.emit("invoice.sent", invoice)
    elif invoice["status"] == "open":
        collect(tx, invoice, off_session=off_session)


def is_sent(invoice: Object) -> bool:
    """Whether ``collection_method`` is ``send_invoice``:

    the payer pays the sent invoice by hand.
    """
    return bool(invoice["collection_method"] == invoice_settings.SEND_INVOICE)


def collect(
    tx: Transaction, invoice: Object, *, off_session: bool, payment_method: str | None = None
) -> None:
    """Attempt one payment of the amount due. The invoice and its subscription show the result."""
    method = payment_method or default_method(tx, invoice)
    intent = invoices.find_intent(tx, invoice)
    if method is None:
        if intent is None:
            create_unconfirmed_intent(tx, invoice)
        _record_failure(tx, invoice, code=None)
    elif intent is None:
        payments.create_payment(
            tx,
            amount=invoice["amount_remaining"],
            currency=invoice["currency"],
            payment_method=method,
            customer=invoice["customer"],
            off_session=off_session,
            owner=("invoice", invoice["id"]),
            **_intent_fields(invoice),
        )
    else:
        intent |= {"payment_method": method, "status": "requires_confirmation"}
        payments.attempt_payment(tx, intent, off_session=off_session)


def create_unconfirmed_intent(tx: Transaction, invoice: Object) -> Object:
    """Create an intent for the open invoice that the payer confirms; it has the default method."""
    method = default_method(tx, invoice)
    intent = payment_intent_object.build_intent(
        tx,
        amount=invoice["amount_remaining"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        payment_method=method,
        status="requires_confirmation" if method else "requires_payment_method",
        **_intent_fields(invoice),
    )
    tx.insert(intent)
    payment_intent_object.link_owner(tx, intent, ("invoice", invoice["id"]))
    invoice_payments.find_or_create(tx, invoice, intent)
    tx.emit("payment_intent.created", intent)
    return intent


def default_method(tx: Transaction, invoice: Object) -> str | None:
    """The payment method of the invoice, else of the subscription, else of the customer."""
    invoice_method = _attached_method(tx, invoice["default_payment_method"], invoice["customer"])
    subscription = invoices.find_subscription(tx, invoice)
    if invoice_method or subscription is None:
        return invoice_method or _customer_method(tx, invoice["customer"])
    return subscription_method(tx, subscription)


def subscription_method(tx: Transaction, subscription: Object) -> str | None:
    """The payment method of the subscription, else of the customer."""
    customer: str = subscription["customer"]
    method = _attached_method(tx, subscription["default_payment_method"], customer)
    return method or _customer_method(tx, customer)


def mark_paid(
    tx: Transaction, invoice: Object, intent: Object | None = None, *, out_of_band: bool = False
) -> None:
    """Mark the invoice as paid: by this intent, out of band, or because nothing was due."""
    with tx.updating(invoice, *invoices.updated_event(tx, invoice)):
        if intent and invoice["attempt_count"] == 0:
            invoice["attempt_count"] = 1
        invoice |= {
            "amount_paid": 0 if out_of_band else invoice["amount_due"],
            "amount_remaining": 0,
            "attempted": True,
            "auto_advance": False,
            "next_payment_attempt": None,
            "status": "paid",
        }
        invoice["status_transitions"]["paid_at"] = tx.now
    tx.emit("invoice.paid", invoice)
    if not out_of_band:
        tx.emit("invoice.payment_succeeded", invoice)
    _set_delinquent(tx, invoice, owes=False)
    subscription_status.on_invoice_paid(tx, invoice, intent)
    if intent:
        payment = invoice_payments.find_or_create(tx, invoice, intent)
        invoice_payments.mark_payment_paid(tx, payment, intent["amount_received"])
        tx.emit("invoice_payment.paid", payment)


def on_intent_change(tx: Transaction, intent: Object, invoice_id: str) -> None:
    """Apply the result of a payment attempt or authentication to the invoice."""
    invoice = tx.param_object("invoice", invoice_id, param="invoice")
    if invoice["status"] not in ("open", "uncollectible"):
        return
    invoice_payments.find_or_create(tx, invoice, intent)
    match intent["status"]:
        case "succeeded":
            mark_paid(tx, invoice, intent)
        case "processing":
            _record_debit(tx, invoice, intent)
        case "requires_action":
            _record_required_action(tx, invoice)
        case "requires_payment_method" if intent["last_payment_error"]:
            code = intent["last_payment_error"]["code"]
            if bank_debits.is_debit(tx, intent):
                _record_returned_debit(tx, invoice, code=code)
            else:
                _record_failure(tx, invoice, code=code)


payments.OWNER_LISTENERS["invoice"] = on_intent_change


def is_processing(tx: Transaction, invoice: Object) -> bool:
    """Whether a bank debit for the invoice is still processing."""
    intent = invoices.find_intent(tx, invoice)
    return bool(intent and intent["status"] == "processing")


def _record_debit(tx: Transaction, invoice: Object, intent: Object) -> None:
    """Record a debit in processing: no further attempt until the bank answers."""
    with tx.updating(invoice, *invoices.updated_event(tx, invoice)):
        invoice["attempted"] = True
        invoice["attempt_count"] += 1
        invoice["next_payment_attempt"] = None
    subscription_status.on_debit_sent(tx, invoice, intent)


def _record_returned_debit(tx: Transaction, invoice: Object, *, code: str) -> None:
    """Record a returned debit: the first invoice is voided, its subscription goes on.

    Any other invoice is retried by the schedule.
    """
    if invoice["billing_reason"] != "subscription_create":
        _record_failure(tx, invoice, code=code, counted=True)
        return
    tx.emit("invoice.payment_failed", invoice)
    invoices.void_invoice(tx, invoice)
    subscription_status.on_invoice_closed(tx, invoice)


def _record_required_action(tx: Transaction, invoice: Object) -> None:
    with tx.updating(invoice, *invoices.updated_event(tx, invoice)):
        invoice["attempted"] = True
        invoice["attempt_count"] = invoice["attempt_count"] or 1
    tx.emit("invoice.payment_action_required", invoice)


def _record_failure(
    tx: Transaction, invoice: Object, *, code: str | None, counted: bool = False
) -> None:
    """Record a failed payment. The first attempt and scheduled retries count; others do not.

    ``counted``: the attempt was counted when it started.
    """
    due = invoice["next_payment_attempt"]
    counts = counted or invoice["attempt_count"] == 0 or (due is not None and due <= tx.now)
    with tx.updating(invoice, *invoices.updated_event(tx, invoice)):
        invoice["attempted"] = True
        if counts:
            invoice["attempt_count"] += 0 if counted else 1
            invoice["next_payment_attempt"] = _next_attempt_time(tx, invoice)
    tx.emit("invoice.payment_failed", invoice)
    if code == "authentication_required":
        tx.emit("invoice.payment_action_required", invoice)
    if not _is_left_to_payer(tx, invoice) and not is_sent(invoice):
        _set_delinquent(tx, invoice, owes=True)
        gives_up = counts and invoice["auto_advance"] and invoice["next_payment_attempt"] is None
        subscription_status.on_payment_failed(tx, invoice, gives_up=gives_up)


def _next_attempt_time(tx: Transaction, invoice: Object) -> int | None:
    """Time of the next retry by the account's schedule; None when the payer must act."""
    waits = billing_settings.read_settings(tx)["retry_after_days"]
    retries_done = invoice["attempt_count"] - 1
    waits_for_payer = is_sent(invoice) or _is_left_to_payer(tx, invoice)
    if not invoice["auto_advance"] or waits_for_payer or retries_done >= len(waits):
        return None
    return tx.now + int(waits[retries_done]) * DAY


def _is_left_to_payer(tx: Transaction, invoice: Object) -> bool:
    """Whether the invoice may stay unpaid: a first invoice, or one of a pending update."""
    subscription = invoices.find_subscription(tx, invoice)
    if subscription is None:
        return False
    return subscription["status"] == "incomplete" or pending_updates.waits_for(
        tx, subscription, invoice
    )


def _set_delinquent(tx: Transaction, invoice: Object, *, owes: bool) -> None:
    customer = tx.get("customer", invoice["customer"])
    if customer and not customer.get("deleted"):
        with tx.updating(customer, "customer.updated"):
            customer["delinquent"] = owes


def _customer_method(tx: Transaction, customer_id: str) -> str | None:
    customer = tx.param_object("customer", customer_id, param="customer")
    return _attached_method(tx, customer["invoice_settings"]["default_payment_method"], customer_id)


def _attached_method(tx: Transaction, object_id: str | None, customer: str) -> str | None:
    """The method's id, unless it has been detached from the customer."""
    method = tx.get("payment_method", object_id) if object_id else None
    return object_id if method and method["customer"] == customer else None


def _intent_fields(invoice: Object) -> Object:
    """Fields of an invoice's intent; that of a first invoice saves the card for renewals."""
    reason = invoice["billing_reason"]
    return {
        "description": DESCRIPTIONS.get(reason, "Payment for Invoice"),
        "setup_future_usage": "off_session" if reason == "subscription_create" else None,
    }
