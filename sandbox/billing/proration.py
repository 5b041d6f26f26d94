"""Proration by seconds. Credits and charges are rounded separately."""

from __future__ import annotations

from decimal import Decimal

from sandbox.billing import billing_periods, invoice_lines, net_price, pricing, subscription_items
from sandbox.objects import Object
from sandbox.resources import invoice_items
from sandbox.resources.invoice_items import InvoiceItemRequest
from sandbox.transaction import Transaction


def prorate_amount(amount: int | Decimal, period: tuple[int, int], proration_time: int) -> int:
    """The part of the amount for the rest of ``[start, end)`` after ``moment``."""
    start, end = period
    if not start <= proration_time < end:
        return 0 if proration_time >= end else pricing.round_amount(Decimal(amount))
    return pricing.round_amount(Decimal(amount) * (end - proration_time) / (end - start))


def build_first_line(
    tx: Transaction, subscription: Object, item: Object, *, prorate: bool
) -> Object:
    """The first period's line, prorated when the anchor shortens the period."""
    recurring = item["price"]["recurring"]
    start, end = item["current_period_start"], item["current_period_end"]
    whole = billing_periods.start_of_period(subscription["billing_cycle_anchor"], recurring, start)
    if whole == start:
        return invoice_lines.for_item(tx, subscription, item)
    full = pricing.price_amount(tx, item["price"], item.get("quantity"))
    amount = prorate_amount(full, (whole, end), start) if prorate else 0
    return invoice_lines.for_item(tx, subscription, item, amount=amount)


def credit_unused_time(
    tx: Transaction, subscription: Object, item: Object, proration_time: int
) -> None:
    """Insert a pending credit for the unused rest of the item's billed period."""
    if pricing.is_metered(item["price"]):
        return
    billed = net_price.billed_amount(tx, item, proration_time)
    period = (item["current_period_start"], item["current_period_end"])
    _insert_item(
        tx,
        subscription,
        item,
        proration_time,
        amount=-prorate_amount(billed, period, proration_time),
        credits=True,
        credited_items=net_price.find_credited_items(tx, item, proration_time),
    )


def charge_remaining_time(
    tx: Transaction, subscription: Object, item: Object, proration_time: int
) -> None:
    """Insert a pending charge for the rest of the period, less discounts."""
    if pricing.is_metered(item["price"]):
        return
    period = (item["current_period_start"], item["current_period_end"])
    full = pricing.price_amount(tx, item["price"], item.get("quantity"))
    discounts = net_price.compute_discounts(tx, subscription, item)
    discount_amounts = [
        {**each, "amount": prorate_amount(each["amount"], period, proration_time)}
        for each in discounts
    ]
    amount = prorate_amount(full, period, proration_time) - sum(
        each["amount"] for each in discount_amounts
    )
    _insert_item(
        tx, subscription, item, proration_time, amount=amount, discount_amounts=discount_amounts
    )


def _insert_item(
    tx: Transaction,
    subscription: Object,
    item: Object,
    proration_time: int,
    *,
    amount: int,
    credits: bool = False,
    discount_amounts: list[Object] | None = None,
    credited_items: Object | None = None,
) -> None:
    price, quantity = item["price"], item.get("quantity")
    name = pricing.find_product_name(tx, price)
    label = f"{quantity} × {name}" if (quantity or 1) > 1 else name
    phrase = "Unused time" if credits else "Remaining time"
    request = InvoiceItemRequest(
        customer=subscription["customer"],
        amount=amount,
        currency=price["currency"],
        description=f"{phrase} on {label} after {invoice_lines.format_day(proration_time)}",
        period={"start": proration_time, "end": item["current_period_end"]},
        quantity=quantity or 0,
        pricing=invoice_lines.price_details(price),
        proration=True,
        discount_amounts=discount_amounts or [],
        credited_items=credited_items,
        subscription=subscription["id"],
        subscription_item=item["id"],
    )
    invoice_items.insert_item(tx, request)


def is_proratable(subscription: Object) -> bool:
    """Whether changes are prorated: not in a trial or before the first payment."""
    return subscription["status"] in ("active", "past_due", "unpaid") and bool(
        subscription_items.list_items(subscription)
    )
