"""``payment_behavior=pending_if_incomplete``: an update takes effect when its invoice is paid."""

from __future__ import annotations

from sandbox import event_order
from sandbox.billing import billing_changes, collection, pending_updates, scheduled_cancellation
from sandbox.errors import invalid
from sandbox.objects import Object, Params, copy, previous_attributes
from sandbox.transaction import Transaction

UPDATED = "customer.subscription.updated"
BILLED_PARAMS = {"items", "trial_end", "billing_cycle_anchor"}
"""Parameters that may cause an invoice; sending one replaces a pending update."""
ALLOWED_PARAMS = BILLED_PARAMS | {
    "cancel_at_period_end",
    "off_session",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
}


def update_subscription(tx: Transaction, subscription: Object, params: Params) -> None:
    """Apply the update if no invoice follows or it is paid; otherwise store it as pending."""
    if unfit := sorted(set(params) - ALLOWED_PARAMS):
        raise invalid(
            "When `payment_behavior` is set to `pending_if_incomplete`, you can only pass "
            f"{', '.join(sorted(ALLOWED_PARAMS))}. You also passed: {', '.join(unfit)}.",
            param=unfit[0],
        )
    before = copy(subscription)
    with tx.emit_in_order(event_order.CHANGE_INVOICED):
        invoice = billing_changes.apply_billing_changes(tx, subscription, params)
        scheduled_cancellation.apply_params(tx, subscription, params)
        if invoice is None:
            if previous := previous_attributes(before, subscription):
                tx.emit(UPDATED, subscription, previous=previous)
            return
        pending_updates.store_update(
            tx, subscription, before, invoice, applied_event=pending_updates.APPLIED
        )
        off_session = bool(params.get("off_session"))
        collection.finalize_and_collect(tx, invoice, off_session=off_session)
        if pending_updates.find_update(tx, subscription):
            with tx.updating(subscription, UPDATED):
                pending_updates.show_update(tx, subscription)
