"""A change that waits for its invoice to be paid: a pending update, or a resumption."""

from __future__ import annotations

from sandbox.billing import invoices, subscription_items
from sandbox.billing.billing_periods import HOUR
from sandbox.objects import Object, copy
from sandbox.transaction import Transaction

KIND = "_held_change"
HELD_FOR = 23 * HOUR
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


def hold(
    tx: Transaction, subscription: Object, before: Object, invoice: Object, *, news: str
) -> None:
    """Take the change back until the invoice is paid; ``news`` tells of it then."""
    after = {name: copy(subscription[name]) for name in FIELDS}
    for name in FIELDS:
        subscription[name] = copy(before[name])
    running = [item["current_period_end"] for item in subscription_items.of(before)]
    ends = [end for end in running if end > tx.now]
    tx.insert(
        {
            "object": KIND,
            "id": subscription["id"],
            "after": after,
            "expires_at": min([tx.now + HELD_FOR, *ends]),
            "invoice": invoice["id"],
            "news": news,
        }
    )
    invoices.stop_advancing(tx, invoice)


def of(tx: Transaction, subscription: Object) -> Object | None:
    return tx.get(KIND, subscription["id"])


def waits_for(tx: Transaction, subscription: Object, invoice: Object) -> bool:
    """Whether a change of the subscription waits for this invoice."""
    record = of(tx, subscription)
    return bool(record and record["invoice"] == invoice["id"])


def show(tx: Transaction, subscription: Object) -> None:
    """Let the subscription say what waits: ``pending_update``."""
    record = of(tx, subscription)
    assert record, "only what is held is shown"
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


def apply(tx: Transaction, subscription: Object) -> str | None:
    """The invoice is paid: make the change. Returns what to announce besides the update."""
    record = of(tx, subscription)
    assert record, "only what is held is applied"
    subscription |= copy(record["after"]) | {"latest_invoice": record["invoice"]}
    waited = subscription["pending_update"] is not None or record["news"] != APPLIED
    subscription["pending_update"] = None
    tx.forget(record)
    return str(record["news"]) if waited else None


def drop(tx: Transaction, subscription: Object) -> None:
    """Give the change up, and its invoice with it."""
    record = of(tx, subscription)
    if record is None:
        return
    tx.forget(record)
    invoice = tx.get("invoice", record["invoice"])
    if invoice and invoice["status"] == "open":
        invoices.void(tx, invoice)
    with tx.updating(subscription, UPDATED):
        subscription["pending_update"] = None


def expire(tx: Transaction, record: Object) -> None:
    """Nobody paid in time."""
    subscription = tx.param_object("subscription", record["id"], param="subscription")
    drop(tx, subscription)
    if record["news"] == APPLIED:
        tx.emit(EXPIRED, subscription)
