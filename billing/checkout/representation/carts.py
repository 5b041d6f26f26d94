"""Response bodies of carts: their lines with present prices, and problems that block a purchase."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from billing.checkout.selectors import carts
from billing.models import Cart, CartLine, CheckoutLine
from billing.models.cart import CartStatus
from common.bodies import MoneyBody, Time, money
from common.times import rfc3339


class CartLineProblemBody(TypedDict):
    """Why the line cannot be bought. PATCH the line with another ``price``."""

    code: Literal["archived", "price_changed"]
    replacement: Annotated[str | None, "Id of the price to use instead."]
    unit_amount: Annotated[MoneyBody | None, "Unit amount of the replacement."]


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
    fulfilled_at: Annotated[Time | None, "When the line was fulfilled: the buyer has paid it."]
    revoked_at: Annotated[Time | None, "When the line was revoked, such as by a refund."]


class RecurringBody(TypedDict):
    """The sum of the recurring prices of one interval."""

    interval: str
    interval_count: int
    amount: MoneyBody


class CartBody(TypedDict):
    """Lines of one currency: one-time items, and at most one subscription."""

    id: str
    status: Annotated[str, CartStatus]
    customer: str
    user_id: str
    currency: Annotated[str | None, "Currency of all lines, null for an empty cart."]
    lines: list[CartLineBody]
    subtotal: Annotated[MoneyBody | None, "Due now, before discounts, taxes and trials."]
    recurring: list[RecurringBody]
    checkout: Annotated[str | None, "Id of the checkout that sells the cart, or sold it."]
    metadata: dict[str, str]
    expires_at: Time
    completed_at: Time | None
    created_at: Time
    updated_at: Time


def cart(row: Cart, *, at: datetime) -> CartBody:
    """Return the body of a cart that was loaded by ``selectors.carts``."""
    status = row.status_at(at)
    lines = list(row.lines.all())
    checkout_lines = row.checkout.lines.all() if row.checkout else ()
    checkout_line_by_price = {line.price_id: line for line in checkout_lines}
    return {
        "id": row.pk,
        "status": status.value,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "currency": row.currency or None,
        "lines": [
            _line(
                line,
                checkout_line_by_price.get(line.price_id),
                is_bought=status == CartStatus.COMPLETED,
            )
            for line in lines
        ],
        "subtotal": money(sum(map(_amount, lines)), row.currency) if lines else None,
        "recurring": _recurring_totals(lines),
        "checkout": row.checkout_id,
        "metadata": row.metadata,
        "expires_at": rfc3339(row.expires_at),
        "completed_at": rfc3339(row.completed_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def _line(row: CartLine, checkout_line: CheckoutLine | None, *, is_bought: bool) -> CartLineBody:
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
        "problem": None if is_bought else _line_problem(row),
        "fulfilled_at": rfc3339(checkout_line.fulfilled_at) if checkout_line else None,
        "revoked_at": rfc3339(checkout_line.revoked_at) if checkout_line else None,
    }


def _line_problem(row: CartLine) -> CartLineProblemBody | None:
    """Return why the line cannot be bought, None if it can."""
    if row.price.active and row.price.product.active:
        return None
    price = carts.find_replacement(line=row)
    return {
        "code": "price_changed" if price else "archived",
        "replacement": price.pk if price else None,
        "unit_amount": money(price.unit_amount, price.currency) if price else None,
    }


def _recurring_totals(lines: list[CartLine]) -> list[RecurringBody]:
    """Sum the recurring prices by interval, before discounts, taxes and trials."""
    totals: dict[tuple[str, int, str], int] = {}
    for line in lines:
        if line.price.is_recurring:
            price = line.price
            key = (price.interval, price.interval_count, price.currency)
            totals[key] = totals.get(key, 0) + _amount(line)
    return [
        {"interval": interval, "interval_count": count, "amount": money(amount, currency)}
        for (interval, count, currency), amount in totals.items()
    ]


def _amount(line: CartLine) -> int:
    return line.price.amount_of(line.quantity)
