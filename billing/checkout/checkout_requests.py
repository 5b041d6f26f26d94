"""What a tenant asks a page for, checked against the catalog before anything is written."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from billing.checkout import checkout_type, discounts, order_lines, orders, return_urls
from billing.checkout.orders import Line
from billing.checkout.selectors import carts
from billing.errors import AmbiguousOrder, CartClosed, CartEmpty, NotOnSale, PriceChanged
from billing.models import Cart, CartLine, Coupon, PromotionCode
from billing.models.cart import CartStatus
from billing.models.checkout import CheckoutType
from common.errors import Invalid
from projects.models import Project

SHORTEST, LONGEST = timedelta(minutes=30), timedelta(hours=24)
"""How long Stripe keeps a page open."""
SLOWNESS, SKEW = timedelta(minutes=2), timedelta(minutes=10)
"""How far we stay off these limits: a request may be slow, and Stripe's clock another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """``lines`` are price ids and quantities, or ``cart`` names a cart and with it the user.

    A flag that is None is what the project says. ``purpose`` tells apart what is else the same:
    pages for two purposes are two pages.
    """

    success_url: str
    user_id: str = ""
    lines: Sequence[tuple[str, int]] = ()
    cart: str = ""
    cancel_url: str = ""
    email: str = ""
    name: str = ""
    trial_period_days: int | None = None
    trial_without_card: bool = False
    trial_end_behavior: str = ""
    allow_promotion_codes: bool = False
    promotion_code: str = ""
    coupon: str = ""
    automatic_tax: bool | None = None
    tax_id_collection: bool | None = None
    save_payment_method: bool = False
    expires_in: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """What a page is to sell, and to whom."""

    wish: Wish
    user_id: str
    type: CheckoutType
    detected: dict[str, str]
    lines: list[Line]
    cart: Cart | None
    promotion_code: PromotionCode | None
    coupon: Coupon | None

    @property
    def subscribed_products(self) -> set[str]:
        """Products that the buyer will be subscribed to."""
        return {line.price.product_id for line in self.lines if line.price.is_recurring}

    def told(self) -> list[Any]:
        """All that makes this sale the same as another one of the customer."""
        lines = [[line.price.pk, line.quantity] for line in self.lines]
        return [self.type.value, {**asdict(self.wish), "lines": lines, "email": "", "name": ""}]


def check(*, project: Project, wish: Wish, type: str | None, at: datetime) -> Sale:
    """The sale that is asked for; without a ``type`` it is detected.

    Raises an Invalid or Conflict for what cannot be sold, or not in this way.
    """
    cart = _cart(project, wish) if wish.cart else None
    if cart is not None:
        lines = lines_of(cart=cart, at=at)
    else:
        lines = order_lines.read(project=project, wanted=wish.lines)
    detected = checkout_type.detect(
        project=project, lines=() if cart else lines, cart=cart, wanted=type
    )
    orders.check(lines=lines)
    _check_trial(wish, lines)
    for name in ("success_url", "cancel_url"):
        if url := getattr(wish, name):
            return_urls.check(project=project, url=url, field=name)
    user_id = cart.customer.user_id if cart is not None else wish.user_id
    promotion_code, coupon = discounts.find(
        project=project, wish=wish, user_id=user_id, lines=lines, at=at
    )
    return Sale(
        wish=wish,
        user_id=user_id,
        type=CheckoutType(detected.type),
        detected=detected.told(),
        lines=lines,
        cart=cart,
        promotion_code=promotion_code,
        coupon=coupon,
    )


def lines_of(*, cart: Cart, at: datetime) -> list[Line]:
    """What a loaded cart holds. Raises CartClosed, CartEmpty, and NotOnSale or PriceChanged for
    lines that have to be changed first."""
    if (standing := cart.standing(at)) not in (CartStatus.OPEN, CartStatus.FROZEN):
        raise CartClosed(f"It is {standing.value}. Make a new cart.")
    rows = list(cart.lines.all())
    if not rows:
        raise CartEmpty(f"POST a price to /carts/{cart.pk}/items first.")
    _check_on_sale(rows)
    return [Line(row.price, row.quantity) for row in rows]


def expiry(*, wish: Wish, at: datetime) -> datetime:
    """When the page closes by itself: as asked for, within what Stripe takes."""
    asked = LONGEST if wish.expires_in is None else timedelta(seconds=wish.expires_in)
    return at + min(max(asked, SHORTEST + SLOWNESS), LONGEST - SKEW)


def _cart(project: Project, wish: Wish) -> Cart:
    if wish.lines:
        raise AmbiguousOrder("Send either a cart or prices.", field="cart")
    cart = carts.get(project=project, cart_id=wish.cart)
    if wish.user_id and wish.user_id not in (cart.customer.user_id, cart.customer_id):
        raise Invalid("The cart is another user's.", field="user_id")
    return cart


def _check_trial(wish: Wish, lines: Sequence[Line]) -> None:
    if wish.trial_period_days is None:
        for name in ("trial_without_card", "trial_end_behavior"):
            if getattr(wish, name):
                raise Invalid("Send trial_period_days with it.", field=name)
    elif not any(line.price.is_recurring for line in lines):
        raise Invalid("Only a subscription has a trial.", field="trial_period_days")


def _check_on_sale(rows: Sequence[CartLine]) -> None:
    """Every line that stands in the way is named, each with the price to use instead."""
    problems = [
        {"line": row.pk, "price": row.price_id, "replacement": other.pk if other else None}
        for row in rows
        if not (row.price.active and row.price.product.active)
        for other in [carts.replacement(line=row)]
    ]
    if not problems:
        return
    if all(each["replacement"] for each in problems):
        raise PriceChanged(
            "PATCH each of these lines with its replacement as price.", problems=problems
        )
    raise NotOnSale(
        "Take the archived lines out of the cart, or PATCH them with a price that is on sale.",
        problems=problems,
    )
