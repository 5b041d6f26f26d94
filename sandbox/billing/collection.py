"""Taking the money for invoices, and what happens when it comes or does not."""

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
    """Open the draft; where nothing is due it is paid at once."""
    invoices.finalize_invoice(tx, invoice)
    if invoice["amount_due"] == 0:
        mark_paid(tx, invoice)


def finalize_and_collect(tx: Transaction, invoice: Object, *, off_session: bool) -> None:
    """Open the draft and charge it, or send it where the payer is to pay it by hand."""
    finalize(tx, invoice)
    if invoice["status"] == "open" and is_sent(invoice):
        create_unconfirmed_intent(tx, invoice)
        tx.emit("invoice.sent", invoice)
    elif invoice["status"] == "open":
        collect(tx, invoice, off_session=off_session)


def is_sent(invoice: Object) -> bool:
    """Whether the payer is sent the invoice and pays it by hand until its due date."""
    return bool(invoice["collection_method"] == invoice_settings.SEND_INVOICE)


def collect(
    tx: Transaction, invoice: Object, *, off_session: bool, payment_method: str | None = None
) -> None:
    """Try once to take what is due; the invoice and its subscription show how it went."""
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
    """An intent for the open invoice that someone else will confirm, with its default card."""
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
    """The invoice's own card, else the subscription's, else the customer's."""
    invoice_method = _attached_method(tx, invoice["default_payment_method"], invoice["customer"])
    subscription = invoices.find_subscription(tx, invoice)
    if invoice_method or subscription is None:
        return invoice_method or _customer_method(tx, invoice["customer"])
    return subscription_method(tx, subscription)


def subscription_method(tx: Transaction, subscription: Object) -> str | None:
    """The card that pays the subscription: its own, else the customer's."""
    customer: str = subscription["customer"]
    method = _attached_method(tx, subscription["default_payment_method"], customer)
    return method or _customer_method(tx, customer)


def mark_paid(
    tx: Transaction, invoice: Object, intent: Object | None = None, *, out_of_band: bool = False
) -> None:
    """The invoice is settled: by this intent, outside of Stripe, or because nothing was due."""
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
    """Hear how a payment for an invoice went, now or after the payer authenticated."""
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
    """Whether a bank has yet to answer to a debit for the invoice."""
    intent = invoices.find_intent(tx, invoice)
    return bool(intent and intent["status"] == "processing")


def _record_debit(tx: Transaction, invoice: Object, intent: Object) -> None:
    """A debit is on its way: no other attempt until the bank answers; a beginning begins."""
    with tx.updating(invoice, *invoices.updated_event(tx, invoice)):
        invoice["attempted"] = True
        invoice["attempt_count"] += 1
        invoice["next_payment_attempt"] = None
    subscription_status.on_debit_sent(tx, invoice, intent)


def _record_returned_debit(tx: Transaction, invoice: Object, *, code: str) -> None:
    """The bank did not pay: a first invoice is void, and its subscription goes on, as at Stripe.

    Any other invoice is tried again by the schedule.
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
    """The first attempt counts, and then the scheduled ones: others leave the schedule alone.

    ``counted``: the attempt was counted when it began.
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
    """When to retry by the account's schedule; first invoices are left to the payer."""
    waits = billing_settings.read_settings(tx)["retry_after_days"]
    retries_done = invoice["attempt_count"] - 1
    waits_for_payer = is_sent(invoice) or _is_left_to_payer(tx, invoice)
    if not invoice["auto_advance"] or waits_for_payer or retries_done >= len(waits):
        return None
    return tx.now + int(waits[retries_done]) * DAY


def _is_left_to_payer(tx: Transaction, invoice: Object) -> bool:
    """Whether nothing is owed if it stays unpaid: a beginning, or a change that waits for it."""
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
    """The card, unless it was taken off the customer since it was chosen."""
    method = tx.get("payment_method", object_id) if object_id else None
    return object_id if method and method["customer"] == customer else None


def _intent_fields(invoice: Object) -> Object:
    """What the intent of an invoice carries; a first one saves the card for the renewals."""
    reason = invoice["billing_reason"]
    return {
        "description": DESCRIPTIONS.get(reason, "Payment for Invoice"),
        "setup_future_usage": "off_session" if reason == "subscription_create" else None,
    }
