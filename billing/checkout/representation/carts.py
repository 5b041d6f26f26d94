"""Carts: their lines, what those cost now, and what stands in the way of buying them."""

from datetime import datetime

from billing.checkout.selectors import carts
from billing.models import Cart, CartLine, CheckoutLine
from billing.models.cart import CartStatus
from billing.representation.values import Json, moment, money


def cart(row: Cart, *, at: datetime) -> Json:
    """Needs a row of ``selectors.carts``."""
    standing = row.standing(at)
    lines = list(row.lines.all())
    on_page = {each.price_id: each for each in row.checkout.lines.all()} if row.checkout else {}
    return {
        "id": row.pk,
        "status": standing.value,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "currency": row.currency or None,
        "lines": [
            _line(each, on_page.get(each.price_id), is_bought=standing == CartStatus.COMPLETED)
            for each in lines
        ],
        "subtotal": money(sum(map(_amount, lines)), row.currency) if lines else None,
        "recurring": _recurring(lines),
        "checkout": row.checkout_id,
        "metadata": row.metadata,
        "expires_at": moment(row.expires_at),
        "completed_at": moment(row.completed_at),
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def _line(row: CartLine, sold: CheckoutLine | None, *, is_bought: bool) -> Json:
    price = row.price
    return {
        "id": row.pk,
        "price": price.pk,
        "product": price.product_id,
        "quantity": row.quantity,
        "unit_amount": money(price.unit_amount, price.currency),
        "amount": money(_amount(row), price.currency),
        "interval": price.interval or None,
        "interval_count": price.interval_count if price.is_recurring else None,
        "problem": None if is_bought else _problem(row),
        "fulfilled_at": moment(sold.fulfilled_at) if sold else None,
        "revoked_at": moment(sold.revoked_at) if sold else None,
    }


def _problem(row: CartLine) -> Json | None:
    """Why the line cannot be bought as it is."""
    if row.price.active and row.price.product.active:
        return None
    other = carts.find_replacement(line=row)
    return {
        "code": "price_changed" if other else "archived",
        "replacement": other.pk if other else None,
        "unit_amount": money(other.unit_amount, other.currency) if other else None,
    }


def _recurring(lines: list[CartLine]) -> list[Json]:
    """What is paid again, by interval: before discounts, taxes and trials."""
    totals: dict[tuple[str, int, str], int] = {}
    for line in lines:
        if line.price.is_recurring:
            price = line.price
            every = (price.interval, price.interval_count, price.currency)
            totals[every] = totals.get(every, 0) + _amount(line)
    return [
        {"interval": interval, "interval_count": count, "amount": money(amount, currency)}
        for (interval, count, currency), amount in totals.items()
    ]


def _amount(line: CartLine) -> int:
    return line.price.amount_of(line.quantity)
