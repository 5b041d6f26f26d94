"""Carts: their lines, what those cost now, and what stands in the way of buying them."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from billing.checkout.selectors import carts
from billing.models import Cart, CartLine, CheckoutLine
from billing.models.cart import CartStatus
from common.bodies import MoneyBody, Time, money
from common.times import rfc3339


class CartLineProblemBody(TypedDict):
    """Why a line cannot be bought as it is. PATCH the line with another ``price``."""

    code: Literal["archived", "price_changed"]
    replacement: Annotated[str | None, "The price to use instead."]
    unit_amount: Annotated[MoneyBody | None, "What the replacement costs."]


class CartLineBody(TypedDict):
    id: str
    price: str
    product: str
    quantity: int
    unit_amount: MoneyBody
    amount: Annotated[MoneyBody, "Unit amount times quantity."]
    interval: str | None
    interval_count: int | None
    problem: CartLineProblemBody | None
    fulfilled_at: Annotated[Time | None, "Since when the buyer has it."]
    revoked_at: Annotated[Time | None, "Since when it is taken back."]


class RecurringBody(TypedDict):
    """What is paid again and again."""

    interval: str
    interval_count: int
    amount: MoneyBody


class CartBody(TypedDict):
    """Lines of one currency: one-time items, and at most one subscription."""

    id: str
    status: Annotated[str, CartStatus]
    customer: str
    user_id: str
    currency: Annotated[str | None, "That of its lines."]
    lines: list[CartLineBody]
    subtotal: Annotated[MoneyBody | None, "Due now, before discounts, taxes and trials."]
    recurring: list[RecurringBody]
    checkout: Annotated[str | None, "The page that it is on, or was bought on."]
    metadata: dict[str, str]
    expires_at: Time
    completed_at: Time | None
    created_at: Time
    updated_at: Time


def cart(row: Cart, *, at: datetime) -> CartBody:
    """Needs a row of ``selectors.carts``."""
    standing = row.status_at(at)
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
        "expires_at": rfc3339(row.expires_at),
        "completed_at": rfc3339(row.completed_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def _line(row: CartLine, sold: CheckoutLine | None, *, is_bought: bool) -> CartLineBody:
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
        "fulfilled_at": rfc3339(sold.fulfilled_at) if sold else None,
        "revoked_at": rfc3339(sold.revoked_at) if sold else None,
    }


def _problem(row: CartLine) -> CartLineProblemBody | None:
    """Why the line cannot be bought as it is."""
    if row.price.active and row.price.product.active:
        return None
    other = carts.find_replacement(line=row)
    return {
        "code": "price_changed" if other else "archived",
        "replacement": other.pk if other else None,
        "unit_amount": money(other.unit_amount, other.currency) if other else None,
    }


def _recurring(lines: list[CartLine]) -> list[RecurringBody]:
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
