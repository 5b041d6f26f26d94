"""Pausing and resuming subscriptions."""

from __future__ import annotations

from sandbox.billing import (
    billing_changes,
    billing_periods,
    collection,
    pending_updates,
    proration,
    subscription_items,
    subscription_updates,
)
from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object, Params, copy
from sandbox.transaction import Transaction

UPDATED = "customer.subscription.updated"
RESUMED = "customer.subscription.resumed"
PAUSABLE_STATUSES = ("trialing", "active", "past_due", "unpaid")


def pause_subscription(tx: Transaction, subscription: Object, params: Params) -> None:
    """Pause now. Unused time is credited as ``bill_for`` says."""
    _check_pausable(subscription)
    with tx.updating(subscription, UPDATED):
        _credit_unused_time(tx, subscription, params.get("bill_for", {}))
        invoice = None
        if params.get("invoicing_behavior") == "invoice":
            invoice = billing_changes.draft_pending_items(tx, subscription)
        set_paused(tx, subscription, reason="pause_requested")
    tx.emit("customer.subscription.paused", subscription)
    if invoice:
        collection.finalize_and_collect(tx, invoice, off_session=True)


def pause_after_trial(tx: Transaction, subscription: Object) -> None:
    """Pause at the end of a trial without a payment method."""
    with tx.updating(subscription, UPDATED):
        set_paused(tx, subscription, reason="trial_end_without_payment_method")
    tx.emit("customer.subscription.paused", subscription)


def set_paused(tx: Transaction, subscription: Object, *, reason: str) -> None:
    paused = {"subscription": {"type": reason}, "transitioned_at": tx.now, "type": "subscription"}
    subscription |= {"status": "paused", "status_details": {"paused": paused}}


def resume_subscription(tx: Transaction, subscription: Object, params: Params) -> None:
    """Resume at once, or when the invoice of the resumption is paid."""
    pending_updates.drop_update(tx, subscription)
    before = copy(subscription)
    with tx.updating(subscription, UPDATED):
        invoice = restart_billing(tx, subscription, params)
        waits = invoice and params.get("payment_behavior") == "resume_on_payment_success"
        if invoice and waits:
            pending_updates.store_update(tx, subscription, before, invoice, applied_event=RESUMED)
            pending_updates.show_update(tx, subscription)
    if not waits:
        tx.emit(RESUMED, subscription)
    if invoice:
        subscription_updates.collect_update_invoice(
            tx, subscription, invoice, {"off_session": True}
        )


def restart_billing(tx: Transaction, subscription: Object, params: Params) -> Object | None:
    """Restart billing of a paused subscription.

    Returns the draft of the amount due now, or None.
    """
    if subscription["status"] != "paused":
        raise invalid(
            f"This subscription is {subscription['status']}; only paused subscriptions can be "
            "resumed."
        )
    if params.get("billing_cycle_anchor", {}).get("type") == "unchanged":
        return _rejoin_cycle(tx, subscription, params)
    return billing_changes.restart_periods(tx, subscription)


def _check_pausable(subscription: Object) -> None:
    if subscription["status"] not in PAUSABLE_STATUSES:
        raise invalid(f"This subscription cannot be paused because it is {subscription['status']}.")
    if subscription["billing_mode"]["type"] != "flexible":
        raise invalid(
            "Pausing a subscription requires `billing_mode[type]` of `flexible`.",
            code="unsupported_billing_mode",
        )
    if subscription["schedule"]:
        raise StripeFailure(
            "You cannot pause this subscription because it is managed by the subscription "
            f"schedule `{subscription['schedule']}`. Release the schedule first."
        )


def _credit_unused_time(tx: Transaction, subscription: Object, bill_for: Params) -> None:
    since = bill_for.get("unused_time_from", {}).get("type", "now")
    if since == "none" or not proration.is_proratable(subscription):
        return
    for item in subscription_items.list_items(subscription):
        unused_since = (
            item["current_period_start"] if since == "item_current_period_start" else tx.now
        )
        proration.credit_unused_time(tx, subscription, item, unused_since)


def _rejoin_cycle(tx: Transaction, subscription: Object, params: Params) -> Object | None:
    """Continue the former billing cycle and charge the rest of its period."""
    subscription["status_details"] = None
    if (subscription["trial_end"] or 0) > tx.now:
        subscription["status"] = "trialing"
        return None
    subscription["status"] = "active"
    anchor = subscription["billing_cycle_anchor"]
    for item in subscription_items.list_items(subscription):
        recurring = item["price"]["recurring"]
        item["current_period_start"] = billing_periods.start_of_period(anchor, recurring, tx.now)
        item["current_period_end"] = billing_periods.end_of_period(anchor, recurring, tx.now)
    mode = params.get("proration_behavior", "create_prorations")
    proration_time = billing_changes.read_proration_date(tx, subscription, params)
    for item in subscription_items.list_items(subscription) if mode != "none" else ():
        proration.charge_remaining_time(tx, subscription, item, proration_time)
    return (
        billing_changes.draft_pending_items(tx, subscription) if mode == "always_invoice" else None
    )
