"""Cancellation and expiry of subscriptions."""

from __future__ import annotations

from sandbox.billing import invoices
from sandbox.objects import Object
from sandbox.transaction import Transaction

ENDED_STATUSES = ("canceled", "incomplete_expired")


def cancel_subscription(tx: Transaction, subscription: Object, *, reason: str | None) -> None:
    """Cancel now. Its unpaid invoices are no longer collected automatically.

    An ``incomplete`` subscription expires instead, and its first invoice is voided.
    """
    was_started = subscription["status"] != "incomplete"
    subscription |= {
        "canceled_at": subscription["canceled_at"] or tx.now,
        "ended_at": tx.now,
        "status": "canceled" if was_started else "incomplete_expired",
    }
    if reason:
        subscription["cancellation_details"]["reason"] = reason
    delete_pending_items(tx, subscription)
    _close_invoices(tx, subscription, void=not was_started)
    tx.emit("customer.subscription.deleted", subscription)
    _cancel_schedule(tx, subscription)


def expire_incomplete(tx: Transaction, subscription: Object) -> None:
    """Expire an ``incomplete`` subscription whose first payment is late."""
    with tx.updating(subscription, "customer.subscription.updated"):
        subscription |= {"ended_at": tx.now, "status": "incomplete_expired"}
    _close_invoices(tx, subscription, void=True)


def stop_customer_billing(tx: Transaction, customer: str) -> None:
    """Cancel the customer's subscriptions and stop their invoices from advancing."""

    def runs(subscription: Object) -> bool:
        return subscription["customer"] == customer and subscription["status"] not in ENDED_STATUSES

    def advances(invoice: Object) -> bool:
        return bool(
            invoice.get("customer") == customer
            and invoice["status"] in ("draft", "open")
            and invoice["auto_advance"]
        )

    for subscription in tx.list_objects("subscription", runs):
        cancel_subscription(tx, subscription, reason="cancellation_requested")
    for invoice in tx.list_objects("invoice", advances):
        invoices.stop_advancing(tx, invoice)


def delete_pending_items(tx: Transaction, subscription: Object) -> None:
    """Delete the subscription's pending invoice items."""

    def pending(item: Object) -> bool:
        details = (item.get("parent") or {}).get("subscription_details") or {}
        return item.get("invoice", "") is None and details.get("subscription") == subscription["id"]

    for item in tx.list_objects("invoiceitem", pending):
        tx.emit("invoiceitem.deleted", item)
        tx.delete(item)


def _cancel_schedule(tx: Transaction, subscription: Object) -> None:
    """Cancel the subscription's schedule."""
    id = subscription["schedule"]
    schedule = tx.get("subscription_schedule", id) if id else None
    if schedule and schedule["status"] == "active":
        schedule |= {"canceled_at": tx.now, "current_phase": None, "status": "canceled"}
        tx.emit("subscription_schedule.canceled", schedule)


def _close_invoices(tx: Transaction, subscription: Object, *, void: bool) -> None:
    for invoice in invoices.list_of_subscription(tx, subscription["id"]):
        if void and invoice["status"] == "open":
            invoices.void_invoice(tx, invoice)
        elif invoice["status"] in ("draft", "open"):
            invoices.stop_advancing(tx, invoice)
