"""Creation of subscriptions: trial, first periods and first invoice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.billing import (
    billing_periods,
    discounts,
    invoice_lines,
    invoice_settings,
    invoices,
    proration,
    subscription_items,
    subscription_object,
)
from sandbox.billing.discounts import DiscountChoice
from sandbox.billing.invoices import DraftRequest
from sandbox.errors import invalid
from sandbox.objects import Object
from sandbox.transaction import Transaction

TRIAL_NOTICE_SECONDS = 3 * billing_periods.DAY
MAX_TRIAL_DAYS = 730
MAX_TRIAL_SECONDS = 5 * 366 * billing_periods.DAY


def create_subscription(
    tx: Transaction,
    *,
    customer: Object,
    new_items: list[Object],
    trial_end: int | None = None,
    anchor: int | None = None,
    discount_choices: Iterable[DiscountChoice] = (),
    session_id: str | None = None,
    **fields: Any,
) -> Object:
    """Create a subscription with these items. ``emit_created`` emits its event afterwards.

    ``anchor`` is the first renewal, at most one interval ahead; the time until then is prorated.
    ``discount_choices`` are attached. ``session_id`` is the checkout session that sold it.
    """
    currency = new_items[0]["price"]["currency"]
    check_currency(customer, currency)
    subscription = subscription_object.build_subscription(
        tx, customer=customer["id"], currency=currency, items=new_items
    )
    subscription |= fields
    if trial_end:
        _set_trial(tx, subscription, trial_end)
    start_periods(tx, subscription, anchor=trial_end or anchor)
    tx.insert(subscription)
    subscription["discounts"] = [
        discounts.attach_discount(
            tx, choice, customer=customer["id"], holder=subscription, session=session_id
        )
        for choice in discount_choices
    ]
    return subscription


def check_currency(customer: Object, currency: str) -> None:
    """Raise 400 for a currency other than the customer's: a customer keeps one currency."""
    if customer["currency"] not in (None, currency):
        raise invalid(
            "You cannot combine currencies on a single customer. This customer has had a "
            f"subscription, coupon, or invoice item with currency {customer['currency']}.",
            param="currency",
        )


def start_periods(tx: Transaction, subscription: Object, *, anchor: int | None = None) -> None:
    """Start each item's period now; it ends at the next boundary counted from the anchor."""
    subscription["billing_cycle_anchor"] = anchor or tx.now
    trial_end = subscription["trial_end"] if subscription["status"] == "trialing" else None
    for item in subscription_items.list_items(subscription):
        natural = billing_periods.end_of_period(
            subscription["billing_cycle_anchor"], item["price"]["recurring"], tx.now
        )
        item |= {"current_period_start": tx.now, "current_period_end": trial_end or natural}


def read_anchor(
    tx: Transaction, anchor: int | None, new_items: list[Object], *, param: str = ""
) -> int | None:
    """Check the requested first renewal. Raises 400 outside the first natural period."""
    if anchor is None:
        return None
    ends = [first_period_end(tx, item) for item in new_items]
    if not tx.now < anchor <= min(ends):
        raise invalid(
            "billing_cycle_anchor must be in the future and cannot be later than the next natural "
            f"billing date ({min(ends)}).",
            param=param or "billing_cycle_anchor",
        )
    return anchor


def first_period_end(tx: Transaction, item: Object) -> int:
    """End of a period that starts now."""
    return billing_periods.end_of_period(tx.now, item["price"]["recurring"], tx.now)


def draft_first_invoice(
    tx: Transaction,
    subscription: Object,
    *,
    prorate: bool = True,
    invoice_items: list[Object] | None = None,
    uses_balance: bool = True,
) -> Object:
    """Draft the invoice of the first periods, which are free in a trial.

    ``invoice_items``: None takes all pending items of the customer.
    """
    customer = tx.param_object("customer", subscription["customer"], param="customer")
    trialing = subscription["status"] == "trialing"
    new_lines = [
        invoice_lines.for_trial(tx, subscription, item)
        if trialing
        else proration.build_first_line(tx, subscription, item, prorate=prorate)
        for item in subscription_items.list_items(subscription)
    ]
    request = DraftRequest(
        customer=customer,
        currency=subscription["currency"],
        billing_reason="subscription_create",
        lines=new_lines,
        subscription=subscription,
        auto_advance=subscription["collection_method"] == invoice_settings.SEND_INVOICE,
        invoice_items=invoice_items,
        uses_balance=uses_balance,
    )
    invoice = invoices.create_draft(tx, request)
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def emit_created(tx: Transaction, subscription: Object) -> None:
    tx.emit("customer.subscription.created", subscription)
    if (
        subscription["status"] == "trialing"
        and subscription["trial_end"] - tx.now < TRIAL_NOTICE_SECONDS
    ):
        send_trial_notice(tx, subscription)


def send_trial_notice(tx: Transaction, subscription: Object) -> None:
    """Emit ``trial_will_end``, once for each trial end."""
    tx.insert(
        {"object": "_trial_notice", "id": subscription["id"], "for": subscription["trial_end"]}
    )
    tx.emit("customer.subscription.trial_will_end", subscription)


def had_trial_notice(tx: Transaction, subscription: Object) -> bool:
    notice = tx.get("_trial_notice", subscription["id"])
    return bool(notice and notice["for"] == subscription["trial_end"])


def read_trial_end(
    tx: Transaction, params: Object, *, earliest: int | None = None, param_prefix: str = ""
) -> int | None:
    """Read the trial end from the parameters; None without a trial. Raises 400 if it is invalid.

    ``param_prefix`` is the parameter that contains them, for error messages.
    """
    days_param, end_param = (
        (f"{param_prefix}[{name}]" if param_prefix else name)
        for name in ("trial_period_days", "trial_end")
    )
    if "trial_end" in params and "trial_period_days" in params:
        raise invalid(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            param=days_param,
        )
    if days := params.get("trial_period_days"):
        if not 1 <= days <= MAX_TRIAL_DAYS:
            raise invalid(
                f"Trial periods are between 1 and {MAX_TRIAL_DAYS} days long.",
                param=days_param,
            )
        return tx.now + int(days) * billing_periods.DAY
    trial_end = params.get("trial_end")
    if trial_end in (None, "now"):
        return None
    if not (earliest or tx.now) <= trial_end <= tx.now + MAX_TRIAL_SECONDS:
        raise invalid(
            "Invalid timestamp: must be an integer Unix timestamp in the future, no more than "
            "five years away.",
            param=end_param,
        )
    return int(trial_end)


def _set_trial(tx: Transaction, subscription: Object, trial_end: int) -> None:
    subscription |= {"status": "trialing", "trial_start": tx.now, "trial_end": trial_end}
