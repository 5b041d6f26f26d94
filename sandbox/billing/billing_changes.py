"""Changes of items, trial and billing cycle, with their prorations and invoices."""

from __future__ import annotations

from sandbox.billing import (
    billing_periods,
    invoice_lines,
    invoices,
    item_changes,
    pricing,
    proration,
    subscription_creation,
    subscription_items,
)
from sandbox.billing.invoices import DraftRequest
from sandbox.billing.item_changes import ItemChange
from sandbox.errors import invalid
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction


def apply_billing_changes(tx: Transaction, subscription: Object, params: Params) -> Object | None:
    """Apply changes of items, trial and cycle. Returns the draft of the amount due now, or None."""
    changes = item_changes.read_changes(tx, subscription, params.get("items", []))
    mode = params.get("proration_behavior", "create_prorations")
    proration_time = read_proration_date(tx, subscription, params)
    restarts = _restarts_periods(subscription, params, changes)
    trial_end = None if restarts else subscription_creation.read_trial_end(tx, params)
    prorates = mode != "none" and proration.is_proratable(subscription)
    if prorates:
        whole = restarts or trial_end is not None
        for item in _list_credited(subscription, changes, whole=whole):
            proration.credit_unused_time(tx, subscription, item, proration_time)
    item_changes.apply_changes(subscription, changes)
    if restarts:
        return restart_periods(tx, subscription)
    if trial_end is not None:
        _extend_trial(tx, subscription, trial_end)
    else:
        _join_cycle(tx, subscription, changes)
        for change in changes if prorates else ():
            if change.costs and change.new:
                proration.charge_remaining_time(tx, subscription, change.new, proration_time)
    at_once = prorates and mode == "always_invoice" and (changes or trial_end is not None)
    return draft_pending_items(tx, subscription) if at_once else None


def restart_periods(tx: Transaction, subscription: Object) -> Object:
    """Start new periods now. Returns the draft for them and for usage until now."""
    used = build_usage_lines(tx, subscription, subscription_items.list_items(subscription))
    if subscription["status"] == "trialing":
        subscription["trial_end"] = tx.now
    subscription |= {"status": "active", "status_details": None}
    subscription_creation.start_periods(tx, subscription)
    new_lines = [
        invoice_lines.for_item(tx, subscription, item)
        for item in subscription_items.list_items(subscription)
    ]
    return _draft_invoice(tx, subscription, new_lines + [line for line in used if line["amount"]])


def draft_pending_items(
    tx: Transaction, subscription: Object, *, at_end: bool = False
) -> Object | None:
    """Draft pending invoice items, with ``at_end`` also unbilled usage. None if there are none."""
    customer, currency = subscription["customer"], subscription["currency"]
    used = (
        build_usage_lines(tx, subscription, subscription_items.list_items(subscription))
        if at_end
        else []
    )
    new_lines = [line for line in used if line["amount"]]
    if not new_lines and not invoices.list_pending_items(tx, customer, currency, subscription):
        return None
    return _draft_invoice(tx, subscription, new_lines)


def build_usage_lines(
    tx: Transaction, subscription: Object, subscription_items_to_bill: list[Object]
) -> list[Object]:
    """A line for each metered item with the usage of its period until now.

    Usage is free in trials and not billed while a subscription is paused or incomplete.
    """
    if subscription["status"] == "trialing":
        metered = [item for item in subscription_items_to_bill if pricing.is_metered(item["price"])]
        return [invoice_lines.for_trial(tx, subscription, item) for item in metered]
    if not proration.is_proratable(subscription):
        return []
    return [
        invoice_lines.for_usage(
            tx,
            subscription,
            item,
            start=item["current_period_start"],
            end=min(item["current_period_end"], tx.now),
        )
        for item in subscription_items_to_bill
        if pricing.is_metered(item["price"])
    ]


def _restarts_periods(subscription: Object, params: Params, changes: list[ItemChange]) -> bool:
    """Whether new periods start now and are billed in full."""
    if subscription["status"] == "trialing":
        return params.get("trial_end") == "now"
    anchor = params.get("billing_cycle_anchor", {}).get("type")
    return anchor == "now" or any(change.moves_period for change in changes)


def _list_credited(subscription: Object, changes: list[ItemChange], *, whole: bool) -> list[Object]:
    """The items whose unused time is credited, as they were before the change."""
    if whole:
        return list(subscription_items.list_items(subscription))
    return [change.old for change in changes if change.old and change.costs]


def _extend_trial(tx: Transaction, subscription: Object, trial_end: int) -> None:
    """Set the trial end; the next periods count from it."""
    was_trialing = subscription["status"] == "trialing"
    subscription |= {
        "billing_cycle_anchor": trial_end,
        "status": "trialing",
        "trial_end": trial_end,
        "trial_start": subscription["trial_start"] if was_trialing else tx.now,
    }
    for item in subscription_items.list_items(subscription):
        item["current_period_start"] = subscription["trial_start"]
        item["current_period_end"] = trial_end


def _join_cycle(tx: Transaction, subscription: Object, changes: list[ItemChange]) -> None:
    """Set the periods of added items to the current cycle."""
    anchor, status = subscription["billing_cycle_anchor"], subscription["status"]
    for item in [change.new for change in changes if change.new and not change.old]:
        recurring = item["price"]["recurring"]
        start = max(
            billing_periods.start_of_period(anchor, recurring, tx.now), subscription["start_date"]
        )
        end = billing_periods.end_of_period(anchor, recurring, tx.now)
        if status == "trialing":
            start, end = subscription["trial_start"], subscription["trial_end"]
        item |= {"current_period_start": start, "current_period_end": end}


def _draft_invoice(tx: Transaction, subscription: Object, new_lines: list[Object]) -> Object:
    request = DraftRequest(
        customer=tx.param_object("customer", subscription["customer"], param="customer"),
        currency=subscription["currency"],
        billing_reason="subscription_update",
        lines=new_lines,
        subscription=subscription,
    )
    invoice = invoices.create_draft(tx, request)
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def read_proration_date(tx: Transaction, subscription: Object, params: Params) -> int:
    """Read ``proration_date`` (default: now). Raises 400 outside the current period."""
    proration_time: int = params.get("proration_date", tx.now)
    starts = [item["current_period_start"] for item in subscription_items.list_items(subscription)]
    ends = [item["current_period_end"] for item in subscription_items.list_items(subscription)]
    if "proration_date" in params and not min(starts) <= proration_time < max(ends):
        raise invalid(
            "`proration_date` must lie within the current period of the subscription.",
            param="proration_date",
        )
    return proration_time
