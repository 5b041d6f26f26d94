"""Subscription status after changes of its invoices. It follows the latest invoice."""

from __future__ import annotations

from sandbox.billing import billing_settings, cancellation, invoices, pending_updates
from sandbox.objects import Object
from sandbox.resources import payment_methods
from sandbox.transaction import Transaction

OWING_STATUSES = ("past_due", "unpaid")


def on_invoice_paid(tx: Transaction, invoice: Object, intent: Object | None) -> None:
    """Activate the subscription, apply its pending update, or end ``past_due`` and ``unpaid``."""
    subscription = invoices.find_subscription(tx, invoice)
    if subscription is None:
        return
    event_type = None
    with tx.updating(subscription, *updated_event(tx, subscription)):
        if pending_updates.waits_for(tx, subscription, invoice):
            event_type = pending_updates.apply_update(tx, subscription)
        elif subscription["status"] == "incomplete" and _is_first(invoice):
            subscription["status"] = "active"
            if intent:
                _save_payment_method(tx, subscription, intent)
        else:
            update_from_latest_invoice(tx, subscription)
    if event_type:
        tx.emit(event_type, subscription)


def on_debit_sent(tx: Transaction, invoice: Object, intent: Object) -> None:
    """Activate an ``incomplete`` subscription when the debit of its first invoice is sent."""
    subscription = invoices.find_subscription(tx, invoice)
    if subscription and subscription["status"] == "incomplete" and _is_first(invoice):
        with tx.updating(subscription, *updated_event(tx, subscription)):
            subscription["status"] = "active"
            _save_payment_method(tx, subscription, intent)


def on_payment_failed(tx: Transaction, invoice: Object, *, gives_up: bool) -> None:
    """Set ``past_due``; after the last retry apply the account's ``after_retries``."""
    subscription = invoices.find_subscription(tx, invoice)
    if subscription is None or subscription["status"] in (
        "incomplete",
        *cancellation.ENDED_STATUSES,
    ):
        return
    policy = billing_settings.read_settings(tx)["after_retries"]
    if gives_up and policy == "cancel":
        cancellation.cancel_subscription(tx, subscription, reason="payment_failed")
        return
    with tx.updating(subscription, *updated_event(tx, subscription)):
        if gives_up and policy == "mark_unpaid":
            subscription["status"] = "unpaid"
        elif subscription["status"] == "active":
            subscription["status"] = "past_due"


def on_invoice_closed(tx: Transaction, invoice: Object) -> None:
    """Update the subscription after its invoice was voided or written off."""
    subscription = invoices.find_subscription(tx, invoice)
    if subscription is None:
        return
    if pending_updates.waits_for(tx, subscription, invoice):
        pending_updates.drop_update(tx, subscription)
    if subscription["status"] == "incomplete" and invoice["status"] == "void":
        cancellation.expire_incomplete(tx, subscription)
        return
    with tx.updating(subscription, "customer.subscription.updated"):
        update_from_latest_invoice(tx, subscription)


def update_from_latest_invoice(tx: Transaction, subscription: Object) -> None:
    """Set ``active`` when the latest invoice that is not void is no longer owed."""
    if subscription["status"] not in OWING_STATUSES:
        return
    invoices_in_effect = [
        invoice
        for invoice in invoices.list_of_subscription(tx, subscription["id"])
        if invoice["status"] in ("open", "paid", "uncollectible")
    ]
    if not invoices_in_effect or not _is_owed(tx, invoices_in_effect[-1]):
        subscription["status"] = "active"


def decides_status(subscription: Object | None, invoice: Object, status: str) -> bool:
    """Whether this sent invoice decides its subscription's status, which must be ``status``."""
    return bool(
        subscription
        and subscription["status"] == status
        and invoice["status"] == "open"
        and invoice["due_date"] is not None
        and subscription["latest_invoice"] == invoice["id"]
    )


def mark_past_due(tx: Transaction, invoice: Object) -> None:
    """Set ``past_due`` after the due date of a sent invoice."""
    subscription = invoices.find_subscription(tx, invoice)
    assert subscription, "only invoices of subscriptions are sent"
    with tx.updating(subscription, *updated_event(tx, subscription)):
        subscription["status"] = "past_due"


def apply_overdue_policy(tx: Transaction, invoice: Object) -> None:
    """Apply ``after_overdue`` to the subscription of an overdue sent invoice."""
    subscription = invoices.find_subscription(tx, invoice)
    assert subscription, "only invoices of subscriptions are sent"
    if billing_settings.read_settings(tx)["after_overdue"] == "cancel":
        cancellation.cancel_subscription(tx, subscription, reason="payment_failed")
        return
    with tx.updating(subscription, *updated_event(tx, subscription)):
        subscription["status"] = "unpaid"


def _is_owed(tx: Transaction, invoice: Object) -> bool:
    due = invoice["due_date"]
    return bool(invoice["status"] == "open" and (due is None or due <= tx.now))


def updated_event(tx: Transaction, subscription: Object) -> list[str]:
    """``customer.subscription.updated``; no event before the subscription's creation event."""
    return ["customer.subscription.updated"] if tx.stored(subscription) else []


def _is_first(invoice: Object) -> bool:
    return bool(invoice["billing_reason"] == "subscription_create")


def _save_payment_method(tx: Transaction, subscription: Object, intent: Object) -> None:
    """Apply ``save_default_payment_method``: save the first invoice's method for later ones."""
    save_mode = subscription["payment_settings"]["save_default_payment_method"]
    if save_mode == "on_subscription" and intent["payment_method"]:
        method = tx.param_object("payment_method", intent["payment_method"], param="payment_method")
        payment_methods.attach_method(tx, method, subscription["customer"])
        subscription["default_payment_method"] = method["id"]
