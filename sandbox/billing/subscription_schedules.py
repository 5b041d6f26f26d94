"""Subscription schedules: created from a subscription, advanced by phases, released."""

from __future__ import annotations

from sandbox.billing import (
    billing_cycle,
    cancellation,
    invoice_settings,
    item_changes,
    proration,
    schedule_object,
    schedule_phases,
    subscription_items,
    subscription_updates,
)
from sandbox.errors import invalid, refuse_unsupported
from sandbox.objects import Object, Params, assign
from sandbox.transaction import Transaction

KIND = "subscription_schedule"
UPDATED = "customer.subscription.updated"
DEFAULT_SETTINGS_PARAMS = {
    "automatic_tax",
    "collection_method",
    "default_payment_method",
    "description",
    "invoice_settings",
}


def create_from_subscription(tx: Transaction, subscription: Object) -> Object:
    """Create a schedule whose only phase is the subscription's current state."""
    if subscription["schedule"]:
        raise invalid(
            "You cannot migrate a subscription that is already attached to a schedule: "
            f"`{subscription['schedule']}`.",
            param="from_subscription",
        )
    if subscription["status"] not in ("trialing", "active", "past_due", "unpaid"):
        raise invalid(
            f"You cannot schedule a subscription that is {subscription['status']}.",
            param="from_subscription",
        )
    behavior = "cancel" if subscription["cancel_at"] else "release"
    phase = schedule_phases.build_current_phase(subscription)
    schedule = tx.insert(
        schedule_object.build_schedule(tx, subscription, phase, end_behavior=behavior)
    )
    tx.emit("subscription_schedule.created", schedule)
    with tx.updating(subscription, UPDATED):
        subscription["schedule"] = schedule["id"]
    return schedule


def update_schedule(tx: Transaction, schedule: Object, params: Params) -> None:
    """Replace the phases. Changes of the current phase take effect now."""
    subscription = _find_subscription(tx, schedule)
    with tx.updating(schedule, "subscription_schedule.updated"):
        if "phases" in params:
            schedule["phases"] = schedule_phases.read_phases(tx, schedule, params["phases"])
        schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
        current = schedule_phases.find_phase(schedule["phases"], tx.now)
        if current:
            schedule["current_phase"] = _phase_dates(current)
    if current and "phases" in params:
        mode = params.get("proration_behavior", current["proration_behavior"])
        _update_within_period(tx, schedule, subscription, current | {"proration_behavior": mode})
    _set_cancel_at(tx, schedule, subscription)


def update_default_settings(tx: Transaction, schedule: Object, params: Params) -> None:
    """Update ``default_settings``, which apply to phases without own values."""
    refuse_unsupported(params, *(set(params) - DEFAULT_SETTINGS_PARAMS))
    defaults = schedule["default_settings"]
    assign(defaults, params, "collection_method", "description")
    if "automatic_tax" in params:
        defaults["automatic_tax"] |= {"enabled": params["automatic_tax"]["enabled"]}
    if "invoice_settings" in params:
        invoice_params = params["invoice_settings"]
        defaults["invoice_settings"] |= invoice_settings.read_settings(invoice_params)
        assign(defaults["invoice_settings"], invoice_params, "days_until_due")
    if "default_payment_method" in params:
        customer = tx.param_object("customer", schedule["customer"], param="customer")
        defaults["default_payment_method"] = subscription_updates.read_default_method(
            tx, customer, params
        )


def _phase_settings(schedule: Object, phase: Object) -> Params:
    """Settings of the subscription in this phase: the phase's own, else the schedule's defaults."""
    defaults = schedule["default_settings"]
    invoice_settings_of_phase = phase["invoice_settings"] or {}
    merged = {
        name: invoice_settings_of_phase.get(name)
        if invoice_settings_of_phase.get(name) is not None
        else default
        for name, default in defaults["invoice_settings"].items()
    }
    method = phase["collection_method"] or defaults["collection_method"]
    tax = phase.get("automatic_tax") or defaults["automatic_tax"]
    return {
        "automatic_tax": {"enabled": tax["enabled"]},
        "collection_method": method,
        "days_until_due": merged.pop("days_until_due")
        if method == invoice_settings.SEND_INVOICE
        else None,
        "default_payment_method": phase["default_payment_method"]
        or defaults["default_payment_method"],
        "default_tax_rates": [rate["id"] for rate in phase["default_tax_rates"]],
        "description": phase["description"] or defaults["description"],
        "invoice_settings": {name: merged[name] or "" for name in invoice_settings.TEXT_FIELDS},
    }


def start_next_phase(tx: Transaction, schedule: Object) -> None:
    """Start the next phase, or end the schedule by its ``end_behavior``."""
    subscription = _find_subscription(tx, schedule)
    next_phase = schedule_phases.find_phase(schedule["phases"], tx.now)
    if next_phase is None:
        _end_schedule(tx, schedule, subscription)
        return
    with tx.updating(schedule, "subscription_schedule.updated"):
        schedule["current_phase"] = _phase_dates(next_phase)
    at_renewal = subscription["status"] in ("trialing", "active", "past_due", "unpaid") and (
        billing_cycle.next_renewal(subscription) <= tx.now
    )
    if at_renewal:
        _renew_into_phase(tx, schedule, subscription, next_phase)
    else:
        _update_within_period(tx, schedule, subscription, next_phase)


def release_schedule(tx: Transaction, schedule: Object, *, keeps_end: bool) -> None:
    """Release the subscription from its schedule."""
    subscription = _find_subscription(tx, schedule)
    schedule |= {
        "current_phase": None,
        "released_at": tx.now,
        "released_subscription": subscription["id"],
        "status": "released",
        "subscription": None,
    }
    tx.emit("subscription_schedule.released", schedule)
    with tx.updating(subscription, UPDATED):
        subscription["schedule"] = None
        if not keeps_end and schedule["end_behavior"] == "cancel":
            subscription |= {"cancel_at": None, "canceled_at": None}
            subscription["cancellation_details"]["reason"] = None


def cancel_schedule(tx: Transaction, schedule: Object, params: Params) -> None:
    """Cancel the schedule and its subscription now."""
    subscription = _find_subscription(tx, schedule)
    prorates = params.get("prorate", True) and proration.is_proratable(subscription)
    invoices = params.get("invoice_now", True)
    subscription_updates.cancel_now(
        tx, subscription, {"prorate": prorates, "invoice_now": invoices}
    )


def _find_subscription(tx: Transaction, schedule: Object) -> Object:
    return tx.param_object("subscription", schedule["subscription"], param="subscription")


def _phase_dates(phase: Object) -> Object:
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}


def _set_cancel_at(tx: Transaction, schedule: Object, subscription: Object) -> None:
    """Set ``cancel_at`` of the subscription for ``end_behavior=cancel``, and clear it otherwise."""
    with tx.updating(subscription, UPDATED):
        if schedule["end_behavior"] == "cancel":
            end = schedule["phases"][-1]["end_date"]
            if subscription["cancel_at"] != end:
                subscription |= {"cancel_at": end, "canceled_at": tx.now}
                subscription["cancellation_details"]["reason"] = "cancellation_requested"
        elif subscription["cancel_at"]:
            subscription |= {"cancel_at": None, "canceled_at": None}
            subscription |= {"cancel_at_period_end": False}
            subscription["cancellation_details"]["reason"] = None


def _end_schedule(tx: Transaction, schedule: Object, subscription: Object) -> None:
    if schedule["end_behavior"] == "release":
        release_schedule(tx, schedule, keeps_end=True)
        return
    schedule |= {"completed_at": tx.now, "current_phase": None, "status": "completed"}
    if subscription["status"] not in cancellation.ENDED_STATUSES:
        billing_cycle.cancel_as_scheduled(tx, subscription)
    tx.emit("subscription_schedule.completed", schedule)


def _update_within_period(
    tx: Transaction, schedule: Object, subscription: Object, phase: Object
) -> None:
    """Apply the phase within a period, with the phase's proration behavior."""
    params: Params = {"proration_behavior": phase["proration_behavior"]}
    if changes := schedule_phases.build_item_changes(subscription, phase):
        params["items"] = changes
    if phase["billing_cycle_anchor"] == "phase_start" and phase["start_date"] == tx.now:
        params["billing_cycle_anchor"] = {"type": "now"}
    settings = {**_phase_settings(schedule, phase), **_phase_only_params(subscription, phase)}
    subscription_updates.update_subscription(tx, subscription, params | settings, by_schedule=True)


def _renew_into_phase(
    tx: Transaction, schedule: Object, subscription: Object, phase: Object
) -> None:
    """Apply the phase at a renewal: one renewal with the phase's items."""
    with tx.updating(subscription, UPDATED):
        changes = item_changes.read_changes(
            tx, subscription, schedule_phases.build_item_changes(subscription, phase)
        )
        item_changes.apply_changes(subscription, changes)
        for item in subscription_items.list_items(subscription):
            if not item["current_period_end"]:
                item |= {"current_period_start": tx.now, "current_period_end": tx.now}
        moves_period = any(change.moves_period for change in changes)
        if moves_period or phase["billing_cycle_anchor"] == "phase_start":
            subscription["billing_cycle_anchor"] = tx.now
        settings = {**_phase_settings(schedule, phase), **_phase_only_params(subscription, phase)}
        subscription["default_payment_method"] = settings["default_payment_method"]
        subscription_updates.apply_settings(subscription, settings)
        invoice_settings.apply_params(tx, subscription, settings)
        subscription_updates.replace_discounts(tx, subscription, settings)
        trialing = subscription["status"] == "trialing"
        if not trialing:
            billing_cycle.start_next_periods(tx, subscription)
    if trialing:
        billing_cycle.end_trial(tx, subscription)


def _phase_only_params(subscription: Object, phase: Object) -> Params:
    """Parameters that only a phase sets: its metadata, if any, and its discounts.

    Discounts that the subscription no longer has are left out.
    """
    phase_discounts = [{name: id for name, id in each.items() if id} for each in phase["discounts"]]
    current_ids = subscription["discounts"]
    discount_params = [
        each for each in phase_discounts if each.get("discount", "") in ("", *current_ids)
    ]
    return {"discounts": discount_params} | (
        {"metadata": phase["metadata"]} if phase["metadata"] else {}
    )
