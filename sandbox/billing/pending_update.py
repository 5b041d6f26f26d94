"""``pending_if_incomplete``: what has to be paid for at once happens when it is paid."""

from __future__ import annotations

from sandbox import sequences
from sandbox.billing import collection, held, planned_end, rebilling
from sandbox.errors import invalid
from sandbox.objects import Object, Params, copy, previous_attributes
from sandbox.transaction import Transaction

UPDATED = "customer.subscription.updated"
COSTLY = {"items", "trial_end", "billing_cycle_anchor"}
"""What an invoice may follow from, and what therefore replaces a change that waits for one."""
CHANGEABLE = COSTLY | {
    "cancel_at_period_end",
    "off_session",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
}


def change(tx: Transaction, subscription: Object, params: Params) -> None:
    """Change it if the invoice that follows is paid or none does; otherwise note what waits."""
    if unfit := sorted(set(params) - CHANGEABLE):
        raise invalid(
            "When `payment_behavior` is set to `pending_if_incomplete`, you can only pass "
            f"{', '.join(sorted(CHANGEABLE))}. You also passed: {', '.join(unfit)}.",
            param=unfit[0],
        )
    before = copy(subscription)
    with tx.arranged(sequences.CHANGE_INVOICED):
        invoice = rebilling.rebill(tx, subscription, params)
        planned_end.apply(tx, subscription, params)
        if invoice is None:
            if previous := previous_attributes(before, subscription):
                tx.emit(UPDATED, subscription, previous=previous)
            return
        held.hold(tx, subscription, before, invoice, news=held.APPLIED)
        off_session = bool(params.get("off_session"))
        collection.finalize_and_collect(tx, invoice, off_session=off_session)
        if held.of(tx, subscription):
            with tx.updating(subscription, UPDATED):
                held.show(tx, subscription)
