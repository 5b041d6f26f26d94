"""Timed actions of subscriptions and invoices. The engine calls them when they are due."""

from __future__ import annotations

from sandbox import event_order
from sandbox.billing import (
    billing_changes,
    billing_periods,
    cancellation,
    collection,
    invoice_lines,
    invoice_settings,
    invoices,
    pricing,
    subscription_items,
    subscription_pauses,
    subscription_updates,
)
from sandbox.billing.invoices import DraftRequest
from sandbox.objects import Object
from sandbox.transaction import Transaction

UPDATED = "customer.subscription.updated"


def next_renewal(subscription: Object) -> int:
    """The earliest end of the items' current periods."""
    return min(
        int(item["current_period_end"]) for item in subscription_items.list_items(subscription)
    )


def last_period_end(subscription: Object) -> int:
    """The latest end of the items' current periods."""
    return max(
        int(item["current_period_end"]) for item in subscription_items.list_items(subscription)
    )


def renew(tx: Transaction, subscription: Object) -> None:
    """Start the next period of each item whose period has ended, with a draft invoice."""
    with tx.updating(subscription, UPDATED):
        start_next_periods(tx, subscription)


def start_next_periods(tx: Transaction, subscription: Object) -> None:
    """Like ``renew``, for callers that emit the subscription's update themselves."""
    ended_items = [
        item
        for item in subscription_items.list_items(subscription)
        if item["current_period_end"] <= tx.now
    ]
    period_start = min(item["current_period_start"] for item in ended_items)
    usage_lines = billing_changes.build_usage_lines(tx, subscription, ended_items)
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    for item in ended_items:
        start = item["current_period_end"]
        anchor, recurring = subscription["billing_cycle_anchor"], item["price"]["recurring"]
        item["current_period_start"] = start
        item["current_period_end"] = billing_periods.end_of_period(anchor, recurring, start)
    licensed = [item for item in ended_items if not pricing.is_metered(item["price"])]
    new_lines = [invoice_lines.for_item(tx, subscription, item) for item in licensed] + usage_lines
    _draft_renewal(tx, subscription, new_lines, period_start=period_start)


def end_trial(tx: Transaction, subscription: Object) -> None:
    """End the trial and start billing. Without a payment method, follow ``trial_settings``."""
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    is_sent = subscription["collection_method"] == invoice_settings.SEND_INVOICE
    if is_sent or behavior == "create_invoice" or collection.subscription_method(tx, subscription):
        renew(tx, subscription)
    elif behavior == "cancel":
        cancellation.cancel_subscription(tx, subscription, reason=None)
    else:
        subscription_pauses.pause_after_trial(tx, subscription)


def cancel_as_scheduled(tx: Transaction, subscription: Object) -> None:
    """Cancel at ``cancel_at``, after a final invoice of unbilled items."""
    subscription_updates.invoice_remaining(tx, subscription)
    cancellation.cancel_subscription(tx, subscription, reason=None)


def resume_collection(tx: Transaction, subscription: Object) -> None:
    with tx.updating(subscription, UPDATED):
        subscription["pause_collection"] = None


def finalize_draft(tx: Transaction, invoice: Object) -> None:
    """Finalize and collect the draft, unless the subscription's collection is paused."""
    subscription = invoices.find_subscription(tx, invoice)
    pause = subscription and subscription["pause_collection"]
    if not pause:
        collection.finalize_and_collect(tx, invoice, off_session=True)
        return
    if pause["behavior"] == "keep_as_draft":
        invoices.stop_advancing(tx, invoice)
        return
    collection.finalize(tx, invoice)
    if invoice["status"] == "open":
        if pause["behavior"] == "void":
            invoices.void_invoice(tx, invoice)
        else:
            invoices.mark_uncollectible(tx, invoice, reason="subscription_paused")


def retry_payment(tx: Transaction, invoice: Object) -> None:
    """Make the next scheduled payment attempt."""
    with tx.emit_in_order(event_order.RECOVERY):
        collection.collect(tx, invoice, off_session=True)


def _draft_renewal(
    tx: Transaction, subscription: Object, new_lines: list[Object], *, period_start: int
) -> None:
    """Draft the renewal. Invoices of an ``unpaid`` subscription stay drafts."""
    request = DraftRequest(
        customer=tx.param_object("customer", subscription["customer"], param="customer"),
        currency=subscription["currency"],
        billing_reason="subscription_cycle",
        lines=new_lines,
        subscription=subscription,
        auto_advance=subscription["status"] != "unpaid",
    )
    invoice = invoices.create_draft(tx, request, period_start=period_start, period_end=tx.now)
    subscription["latest_invoice"] = invoice["id"]
