"""Schedules at work: attached to a subscription, followed from phase to phase, let go."""

from __future__ import annotations

from sandbox.billing import (
    blank_schedule,
    changing,
    cycle,
    ending,
    item_changes,
    items,
    phases,
    proration,
)
from sandbox.errors import invalid, refuse_unsupported
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

KIND = "subscription_schedule"
UPDATED = "customer.subscription.updated"


def attach(tx: Transaction, subscription: Object) -> Object:
    """A schedule whose only phase is the subscription as it is."""
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
    phase = phases.of_subscription(subscription)
    schedule = tx.insert(blank_schedule.build(tx, subscription, phase, end_behavior=behavior))
    tx.emit("subscription_schedule.created", schedule)
    with tx.updating(subscription, UPDATED):
        subscription["schedule"] = schedule["id"]
    return schedule


def change(tx: Transaction, schedule: Object, params: Params) -> None:
    """Put other phases in place; what concerns the current one happens now."""
    subscription = _subscription_of(tx, schedule)
    with tx.updating(schedule, "subscription_schedule.updated"):
        if "phases" in params:
            schedule["phases"] = phases.read(tx, schedule, params["phases"])
        schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
        current = phases.at(schedule["phases"], tx.now)
        if current:
            schedule["current_phase"] = _span(current)
    if current and "phases" in params:
        mode = params.get("proration_behavior", current["proration_behavior"])
        _bill_as(tx, subscription, current | {"proration_behavior": mode})
    _plan_end(tx, schedule, subscription)


def change_defaults(tx: Transaction, schedule: Object, sent: Params) -> None:
    """What each phase sets on the subscription that says nothing else: how it is paid."""
    refuse_unsupported(sent, *(set(sent) - {"default_payment_method"}))
    if "default_payment_method" in sent:
        subscription = _subscription_of(tx, schedule)
        customer = tx.param_object("customer", subscription["customer"], param="customer")
        method = changing.own_method(tx, customer, sent)
        schedule["default_settings"]["default_payment_method"] = method


def _pay_as(tx: Transaction, schedule: Object, subscription: Object, phase: Object) -> None:
    """A phase that begins sets the subscription's own payment method, or that of the schedule."""
    settings = schedule["default_settings"]
    method = phase["default_payment_method"] or settings["default_payment_method"]
    if method and method != subscription["default_payment_method"]:
        with tx.updating(subscription, UPDATED):
            subscription["default_payment_method"] = method


def follow(tx: Transaction, schedule: Object) -> None:
    """The current phase is over: enter the next one, or end as the schedule says."""
    subscription = _subscription_of(tx, schedule)
    following = phases.at(schedule["phases"], tx.now)
    if following is None:
        _end(tx, schedule, subscription)
        return
    with tx.updating(schedule, "subscription_schedule.updated"):
        schedule["current_phase"] = _span(following)
    _pay_as(tx, schedule, subscription, following)
    at_renewal = subscription["status"] in ("trialing", "active", "past_due", "unpaid") and (
        cycle.next_renewal(subscription) <= tx.now
    )
    if at_renewal:
        _renew_as(tx, subscription, following)
    else:
        _bill_as(tx, subscription, following)


def release(tx: Transaction, schedule: Object, *, keeps_end: bool) -> None:
    """Let the subscription go on by itself."""
    subscription = _subscription_of(tx, schedule)
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


def cancel(tx: Transaction, schedule: Object, params: Params) -> None:
    """End the subscription now, and the schedule with it."""
    subscription = _subscription_of(tx, schedule)
    prorates = params.get("prorate", True) and proration.is_worth_it(subscription)
    invoices = params.get("invoice_now", True)
    changing.cancel_now(tx, subscription, {"prorate": prorates, "invoice_now": invoices})


def _subscription_of(tx: Transaction, schedule: Object) -> Object:
    return tx.param_object("subscription", schedule["subscription"], param="subscription")


def _span(phase: Object) -> Object:
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}


def _plan_end(tx: Transaction, schedule: Object, subscription: Object) -> None:
    """``end_behavior=cancel`` shows as the subscription's own end."""
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


def _end(tx: Transaction, schedule: Object, subscription: Object) -> None:
    if schedule["end_behavior"] == "release":
        release(tx, schedule, keeps_end=True)
        return
    schedule |= {"completed_at": tx.now, "current_phase": None, "status": "completed"}
    if subscription["status"] not in ending.ENDED:
        cycle.end_as_planned(tx, subscription)
    tx.emit("subscription_schedule.completed", schedule)


def _bill_as(tx: Transaction, subscription: Object, phase: Object) -> None:
    """Within a period: prorated as the phase says."""
    params: Params = {"proration_behavior": phase["proration_behavior"]}
    if changes := phases.item_changes(subscription, phase):
        params["items"] = changes
    if phase["billing_cycle_anchor"] == "phase_start" and phase["start_date"] == tx.now:
        params["billing_cycle_anchor"] = {"type": "now"}
    changing.change(tx, subscription, params | _of_its_own(phase), by_schedule=True)


def _renew_as(tx: Transaction, subscription: Object, phase: Object) -> None:
    """Where one period ends and the next begins: one renewal, of what the phase bills."""
    with tx.updating(subscription, UPDATED):
        changes = item_changes.read(tx, subscription, phases.item_changes(subscription, phase))
        item_changes.apply(subscription, changes)
        for item in items.of(subscription):
            if not item["current_period_end"]:
                item |= {"current_period_start": tx.now, "current_period_end": tx.now}
        moves = any(change.moves_period for change in changes)
        if moves or phase["billing_cycle_anchor"] == "phase_start":
            subscription["billing_cycle_anchor"] = tx.now
        own = _of_its_own(phase)
        changing.apply_plain(subscription, own)
        if "discounts" in own:
            changing.change_discounts(tx, subscription, own)
        trialing = subscription["status"] == "trialing"
        if not trialing:
            cycle.begin_next(tx, subscription)
    if trialing:
        cycle.end_trial(tx, subscription)


def _of_its_own(phase: Object) -> Params:
    """What else a phase sets on the subscription when it begins."""
    own: Params = {"metadata": phase["metadata"]} if phase["metadata"] else {}
    if phase["discounts"]:
        own["discounts"] = [
            {name: id for name, id in discount.items() if id} for discount in phase["discounts"]
        ]
    return own
