"""How a subscription ends."""

from __future__ import annotations

from sandbox.billing import invoices
from sandbox.objects import Object
from sandbox.transaction import Transaction

ENDED_STATUSES = ("canceled", "incomplete_expired")


def cancel_subscription(tx: Transaction, subscription: Object, *, reason: str | None) -> None:
    """End the subscription now; what is unpaid is no longer collected by itself.

    One that never began expires instead, and its first invoice is void.
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
    """The first payment did not come in time."""
    with tx.updating(subscription, "customer.subscription.updated"):
        subscription |= {"ended_at": tx.now, "status": "incomplete_expired"}
    _close_invoices(tx, subscription, void=True)


def stop_customer_billing(tx: Transaction, customer: str) -> None:
    """End all that the customer has: subscriptions now, and what collects or drafts by itself."""

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
    """Delete the prorations that no invoice took up."""

    def pending(item: Object) -> bool:
        details = (item.get("parent") or {}).get("subscription_details") or {}
        return item.get("invoice", "") is None and details.get("subscription") == subscription["id"]

    for item in tx.list_objects("invoiceitem", pending):
        tx.emit("invoiceitem.deleted", item)
        tx.delete(item)


def _cancel_schedule(tx: Transaction, subscription: Object) -> None:
    """A schedule ends with its subscription."""
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
