"""Changes that wait for their invoice to be paid: pending updates and resumptions."""

from __future__ import annotations

from sandbox.billing import invoices, subscription_items
from sandbox.billing.billing_periods import HOUR
from sandbox.objects import Object, copy
from sandbox.transaction import Transaction

KIND = "_held_change"
LIFETIME_SECONDS = 23 * HOUR
UPDATED = "customer.subscription.updated"
APPLIED = "customer.subscription.pending_update_applied"
EXPIRED = "customer.subscription.pending_update_expired"
FIELDS = (
    "billing_cycle_anchor",
    "cancel_at",
    "cancel_at_period_end",
    "canceled_at",
    "items",
    "latest_invoice",
    "status",
    "status_details",
    "trial_end",
    "trial_start",
)


def store_update(
    tx: Transaction, subscription: Object, before: Object, invoice: Object, *, applied_event: str
) -> None:
    """Undo the change until the invoice is paid, which then emits ``applied_event``."""
    after = {name: copy(subscription[name]) for name in FIELDS}
    for name in FIELDS:
        subscription[name] = copy(before[name])
    running = [item["current_period_end"] for item in subscription_items.list_items(before)]
    ends = [end for end in running if end > tx.now]
    tx.insert(
        {
            "object": KIND,
            "id": subscription["id"],
            "after": after,
            "expires_at": min([tx.now + LIFETIME_SECONDS, *ends]),
            "invoice": invoice["id"],
            "news": applied_event,
        }
    )
    invoices.stop_advancing(tx, invoice)


def find_update(tx: Transaction, subscription: Object) -> Object | None:
    return tx.get(KIND, subscription["id"])


def waits_for(tx: Transaction, subscription: Object, invoice: Object) -> bool:
    """Whether a pending change of the subscription waits for this invoice."""
    record = find_update(tx, subscription)
    return bool(record and record["invoice"] == invoice["id"])


def show_update(tx: Transaction, subscription: Object) -> None:
    """Show the pending change as ``pending_update``."""
    record = find_update(tx, subscription)
    assert record, "show_update follows store_update"
    after = record["after"]
    changed = {name: after[name] if after[name] != subscription[name] else None for name in FIELDS}
    subscription["latest_invoice"] = record["invoice"]
    if record["news"] != APPLIED:
        return
    subscription["pending_update"] = {
        "billing_cycle_anchor": changed["billing_cycle_anchor"],
        "cancel_at_period_end": changed["cancel_at_period_end"],
        "expires_at": record["expires_at"],
        "subscription_items": after["items"]["data"] if changed["items"] else None,
        "trial_end": changed["trial_end"],
        "trial_from_plan": None,
    }


def apply_update(tx: Transaction, subscription: Object) -> str | None:
    """Apply the pending change after payment. Returns the event to emit besides the update."""
    record = find_update(tx, subscription)
    assert record, "callers check waits_for first"
    subscription |= copy(record["after"]) | {"latest_invoice": record["invoice"]}
    waited = subscription["pending_update"] is not None or record["news"] != APPLIED
    subscription["pending_update"] = None
    tx.remove(record)
    return str(record["news"]) if waited else None


def drop_update(tx: Transaction, subscription: Object) -> None:
    """Remove the pending change and void its invoice."""
    record = find_update(tx, subscription)
    if record is None:
        return
    tx.remove(record)
    invoice = tx.get("invoice", record["invoice"])
    if invoice and invoice["status"] == "open":
        invoices.void_invoice(tx, invoice)
    with tx.updating(subscription, UPDATED):
        subscription["pending_update"] = None


def expire_update(tx: Transaction, record: Object) -> None:
    """Remove a pending change that was not paid in time."""
    subscription = tx.param_object("subscription", record["id"], param="subscription")
    drop_update(tx, subscription)
    if record["news"] == APPLIED:
        tx.emit(EXPIRED, subscription)
