"""How a subscription ends."""

from __future__ import annotations

from sandbox.billing import invoices
from sandbox.objects import Object
from sandbox.transaction import Transaction

ENDED = ("canceled", "incomplete_expired")


def cancel(tx: Transaction, subscription: Object, *, reason: str | None) -> None:
    """End the subscription now; what is unpaid is no longer collected by itself.

    One that never began expires instead, and its first invoice is void.
    """
    began = subscription["status"] != "incomplete"
    subscription |= {
        "canceled_at": subscription["canceled_at"] or tx.now,
        "ended_at": tx.now,
        "status": "canceled" if began else "incomplete_expired",
    }
    if reason:
        subscription["cancellation_details"]["reason"] = reason
    forget_unbilled(tx, subscription)
    _close_invoices(tx, subscription, void=not began)
    tx.emit("customer.subscription.deleted", subscription)
    _close_schedule(tx, subscription)


def expire(tx: Transaction, subscription: Object) -> None:
    """The first payment did not come in time."""
    with tx.updating(subscription, "customer.subscription.updated"):
        subscription |= {"ended_at": tx.now, "status": "incomplete_expired"}
    _close_invoices(tx, subscription, void=True)


def leave(tx: Transaction, customer: str) -> None:
    """End all that the customer has: subscriptions now, and what collects or drafts by itself."""

    def runs(subscription: Object) -> bool:
        return subscription["customer"] == customer and subscription["status"] not in ENDED

    def advances(invoice: Object) -> bool:
        return bool(
            invoice.get("customer") == customer
            and invoice["status"] in ("draft", "open")
            and invoice["auto_advance"]
        )

    for subscription in tx.all("subscription", runs):
        cancel(tx, subscription, reason="cancellation_requested")
    for invoice in tx.all("invoice", advances):
        invoices.stop_advancing(tx, invoice)


def forget_unbilled(tx: Transaction, subscription: Object) -> None:
    """Delete the prorations that no invoice took up."""

    def pending(item: Object) -> bool:
        details = (item.get("parent") or {}).get("subscription_details") or {}
        return item.get("invoice", "") is None and details.get("subscription") == subscription["id"]

    for item in tx.all("invoiceitem", pending):
        tx.emit("invoiceitem.deleted", item)
        tx.delete(item)


def _close_schedule(tx: Transaction, subscription: Object) -> None:
    """A schedule ends with its subscription."""
    id = subscription["schedule"]
    schedule = tx.get("subscription_schedule", id) if id else None
    if schedule and schedule["status"] == "active":
        schedule |= {"canceled_at": tx.now, "current_phase": None, "status": "canceled"}
        tx.emit("subscription_schedule.canceled", schedule)


def _close_invoices(tx: Transaction, subscription: Object, *, void: bool) -> None:
    for invoice in invoices.of_subscription(tx, subscription["id"]):
        if void and invoice["status"] == "open":
            invoices.void(tx, invoice)
        elif invoice["status"] in ("draft", "open"):
            invoices.stop_advancing(tx, invoice)
