"""Invoice previews: the real change, made in a dry run."""

from __future__ import annotations

from sandbox.billing import (
    billing_changes,
    billing_cycle,
    cancellation,
    discounts,
    invoices,
    pending_if_incomplete,
    proration,
    scheduled_cancellation,
    subscription_creation,
    subscription_items,
    subscription_pauses,
    subscription_schedules,
    subscription_updates,
)
from sandbox.billing.invoices import DraftRequest
from sandbox.errors import StripeFailure, invalid, missing_param
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

DETAILS_PARAM = "subscription_details"
SCHEDULE_PARAMS = pending_if_incomplete.BILLED_PARAMS | {"cancel_at", "cancel_at_period_end"}
"""Details that a schedule controls; the preview ignores the schedule for them."""
RENEWING_STATUSES = ("trialing", "active", "past_due", "unpaid")


def preview_update(tx: Transaction, subscription: Object, params: Params) -> Object:
    """Preview the invoice after an update with ``subscription_details``.

    If the update is billed at once, the result is that invoice, otherwise the next renewal. Raises
    404 ``invoice_upcoming_none`` if there is none.
    """
    details = params.get(DETAILS_PARAM, {})
    _check_changeable(subscription, details)
    if set(details) & SCHEDULE_PARAMS:
        subscription["schedule"] = None
    if params.get("preview_mode") == "recurring":
        details = details | {"proration_behavior": "none"}
    if "discounts" in params:
        subscription_updates.replace_discounts(tx, subscription, params)
    _apply_automatic_tax(subscription, params)
    if details.get("cancel_now"):
        return _preview_cancellation(tx, subscription, details)
    if details.get("resume_at"):
        return subscription_pauses.restart_billing(tx, subscription, details) or preview_upcoming(
            tx, subscription
        )
    draft = billing_changes.apply_billing_changes(tx, subscription, details)
    scheduled_cancellation.apply_params(tx, subscription, details)
    if params.get("preview_mode") == "recurring":
        _remove_pending_items(tx, subscription["customer"])
        draft = None
    return draft or preview_upcoming(tx, subscription)


def preview_creation(tx: Transaction, customer: Object, params: Params) -> Object:
    """Preview the first invoice of a new subscription."""
    details = params[DETAILS_PARAM]
    for name in ("proration_date", "cancel_now", "resume_at"):
        if name in details:
            raise missing_param("subscription")
    new_items = subscription_items.read_items(tx, details["items"], customer=customer["id"])
    anchor = details.get("billing_cycle_anchor", {}).get("timestamp")
    param = f"{DETAILS_PARAM}[billing_cycle_anchor][timestamp]"
    subscription = subscription_creation.create_subscription(
        tx,
        customer=customer,
        new_items=new_items,
        trial_end=subscription_creation.read_trial_end(tx, details, param_prefix=DETAILS_PARAM),
        discount_choices=discounts.read_choices(
            tx, params.get("discounts"), customer=customer["id"]
        ),
        anchor=subscription_creation.read_anchor(tx, anchor, new_items, param=param),
    )
    _apply_automatic_tax(subscription, params)
    prorate = details.get("proration_behavior") != "none"
    invoice = subscription_creation.draft_first_invoice(tx, subscription, prorate=prorate)
    invoice["parent"] = None
    for line in invoice["lines"]["data"]:
        line["subscription"] = None
    return invoice


def preview_customer(tx: Transaction, customer: Object) -> Object:
    """Preview the customer's next renewal, or the invoice of pending items."""

    def renews(subscription: Object) -> bool:
        return bool(
            subscription["customer"] == customer["id"]
            and subscription["status"] in RENEWING_STATUSES
        )

    if running := sorted(tx.list_objects("subscription", renews), key=billing_cycle.next_renewal):
        return preview_upcoming(tx, running[0])
    currency = customer["currency"] or "usd"
    if not invoices.list_pending_items(tx, customer["id"], currency, None):
        raise no_upcoming_error(customer["id"])
    request = DraftRequest(customer=customer, currency=currency, billing_reason="manual")
    return invoices.create_draft(tx, request)


def preview_upcoming(tx: Transaction, subscription: Object) -> Object:
    """Preview the renewal, or the final invoice at ``cancel_at``."""
    if subscription["status"] not in RENEWING_STATUSES:
        raise no_upcoming_error(subscription["customer"])
    renewal, end = billing_cycle.next_renewal(subscription), subscription["cancel_at"]
    if end is not None and end <= renewal:
        tx.fixed_time = end
        return _draft_remaining(tx, subscription)
    _enter_phases(tx, subscription, until=renewal)
    tx.fixed_time = max(renewal, tx.now)
    if billing_cycle.next_renewal(subscription) <= tx.now:
        billing_cycle.renew(tx, subscription)
    return tx.param_object("invoice", subscription["latest_invoice"], param="subscription")


def present_preview(tx: Transaction, invoice: Object, *, proration_date: int) -> Object:
    """Give the draft and its lines the ids of a preview."""
    invoice |= {
        "id": f"upcoming_{tx.new_id('in')}",
        "automatically_finalizes_at": None,
        "billing_reason": "upcoming",
        "webhooks_delivered_at": None,
    }
    lines = invoice["lines"]
    lines["url"] = f"/v1/invoices/{invoice['id']}/lines"
    for line in lines["data"]:
        line |= {"id": f"il_tmp_{line['id'].removeprefix('il_')}", "invoice": invoice["id"]}
    if invoice["parent"] and any(_is_proration(line) for line in lines["data"]):
        invoice["parent"]["subscription_details"]["subscription_proration_date"] = proration_date
    return invoice


def no_upcoming_error(customer: str) -> StripeFailure:
    return StripeFailure(
        f"No upcoming invoices for customer: {customer}", status=404, code="invoice_upcoming_none"
    )


def _enter_phases(tx: Transaction, subscription: Object, *, until: int) -> None:
    """Start the schedule phases that begin until ``until``."""
    while subscription["schedule"]:
        schedule = tx.param_object(
            subscription_schedules.KIND, subscription["schedule"], param="schedule"
        )
        if schedule["status"] != "active" or schedule["current_phase"]["end_date"] > until:
            return
        tx.fixed_time = schedule["current_phase"]["end_date"]
        subscription_schedules.start_next_phase(tx, schedule)


def _preview_cancellation(tx: Transaction, subscription: Object, details: Params) -> Object:
    """Preview the final invoice of a cancellation now."""
    if details.get("proration_behavior") != "none" and proration.is_proratable(subscription):
        proration_time = billing_changes.read_proration_date(tx, subscription, details)
        for item in subscription_items.list_items(subscription):
            proration.credit_unused_time(tx, subscription, item, proration_time)
    return _draft_remaining(tx, subscription)


def _apply_automatic_tax(subscription: Object, params: Params) -> None:
    """Apply ``automatic_tax``. Without an address the status is ``requires_location_inputs``."""
    if "automatic_tax" in params:
        subscription_updates.apply_settings(
            subscription, {"automatic_tax": params["automatic_tax"]}
        )


def _draft_remaining(tx: Transaction, subscription: Object) -> Object:
    invoice = billing_changes.draft_pending_items(tx, subscription, at_end=True)
    if invoice is None:
        raise no_upcoming_error(subscription["customer"])
    return invoice


def _check_changeable(subscription: Object, details: Params) -> None:
    if subscription["status"] in cancellation.ENDED_STATUSES:
        raise StripeFailure(
            "You cannot preview the upcoming invoice for a canceled subscription.",
            code="invoice_upcoming_none",
        )
    if details.get("billing_cycle_anchor", {}).get("type") == "timestamp":
        raise invalid(
            "For existing subscriptions, `billing_cycle_anchor[type]` can only be `now` or "
            "`unchanged`.",
            param=f"{DETAILS_PARAM}[billing_cycle_anchor][type]",
        )
    if "proration_date" in details and details.get("proration_behavior") == "none":
        raise invalid(
            "You cannot set `proration_date` when `proration_behavior` is `none`.",
            param=f"{DETAILS_PARAM}[proration_date]",
        )


def _remove_pending_items(tx: Transaction, customer: str) -> None:
    """Remove pending items: ``preview_mode=recurring`` shows recurring amounts only."""

    def waits(item: Object) -> bool:
        return item.get("invoice", "") is None and item["customer"] == customer

    for item in tx.list_objects("invoiceitem", waits):
        tx.remove(item)


def _is_proration(line: Object) -> bool:
    parent = line["parent"]
    details = parent["subscription_item_details"] or parent["invoice_item_details"]
    return bool(details["proration"])
