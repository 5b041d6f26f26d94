"""The SubscriptionSchedule object: all fields of a schedule made from a subscription."""

from __future__ import annotations

from sandbox.objects import Object, copy
from sandbox.transaction import Transaction


def build_schedule(
    tx: Transaction, subscription: Object, phase: Object, *, end_behavior: str
) -> Object:
    return {
        "id": tx.new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": copy(subscription["billing_mode"]),
        "canceled_at": None,
        "completed_at": None,
        "created": tx.now,
        "current_phase": {"end_date": phase["end_date"], "start_date": phase["start_date"]},
        "customer": subscription["customer"],
        "customer_account": None,
        "default_settings": _default_settings(subscription),
        "end_behavior": end_behavior,
        "livemode": False,
        "metadata": {},
        "pause_schedules": [],
        "phases": [phase],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": subscription["test_clock"],
    }


def build_phase(*, currency: str, start: int, end: int, items: list[Object]) -> Object:
    """A phase with items only; all other settings have their default."""
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


def build_item(
    price: str,
    quantity: int | None,
    metadata: Object,
    *,
    discounts: list[Object],
    tax_rates: list[Object],
) -> Object:
    counted = {} if quantity is None else {"quantity": quantity}
    return {
        "billing_thresholds": None,
        "discounts": discounts,
        "metadata": copy(metadata),
        "plan": price,
        "price": price,
        "tax_rates": tax_rates,
        **counted,
    }


def build_discount(params: Object) -> Object:
    """An entry of ``discounts``: a coupon, a discount or a promotion code."""
    return {name: params.get(name) for name in ("coupon", "discount", "promotion_code")}


def _default_settings(subscription: Object) -> Object:
    return {
        "application_fee_percent": None,
        "automatic_tax": copy(subscription["automatic_tax"]),
        "billing_cycle_anchor": "automatic",
        "billing_thresholds": None,
        "collection_method": subscription["collection_method"],
        "default_payment_method": subscription["default_payment_method"],
        "description": subscription["description"],
        "invoice_settings": {
            **copy(subscription["invoice_settings"]),
            "days_until_due": subscription["days_until_due"],
        },
        "on_behalf_of": None,
        "transfer_data": None,
    }
