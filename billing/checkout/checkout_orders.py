"""Turn a request for a page into an order: checked against the catalog, nothing is written."""

from collections.abc import Sequence
from datetime import datetime

from billing.checkout import checkout_type, discounts, order_lines, orders, return_urls
from billing.checkout.checkout_requests import CheckoutOrder, CheckoutRequest
from billing.checkout.orders import OrderLine
from billing.checkout.selectors import carts
from billing.errors import AmbiguousOrder, CartClosed, CartEmpty, NotOnSale, PriceChanged
from billing.models import Cart, CartLine
from billing.models.cart import CartStatus
from billing.models.checkout import CheckoutType
from common.errors import Invalid
from projects.models import Project


def build_order(
    *, project: Project, request: CheckoutRequest, requested_type: str | None, at: datetime
) -> CheckoutOrder:
    """The order that the request comes to; its type is detected when ``requested_type`` is None.

    Raises an Invalid or a Conflict when the prices or the cart cannot be sold, or not with these
    options.
    """
    cart = _find_cart(project, request) if request.cart else None
    if cart is not None:
        lines = cart_lines(cart=cart, at=at)
    else:
        lines = order_lines.read(project=project, items=request.lines)
    detected = checkout_type.detect(
        project=project, lines=() if cart else lines, cart=cart, requested_type=requested_type
    )
    orders.check(lines=lines)
    _check_trial(request, lines)
    for name in ("success_url", "cancel_url"):
        if url := getattr(request, name):
            return_urls.check(project=project, url=url, field=name)
    user_id = cart.customer.user_id if cart is not None else request.user_id
    promotion_code, coupon = discounts.find(
        project=project, request=request, user_id=user_id, lines=lines, at=at
    )
    return CheckoutOrder(
        request=request,
        user_id=user_id,
        checkout_type=CheckoutType(detected.payment_type),
        detected=detected.to_json(),
        lines=lines,
        cart=cart,
        promotion_code=promotion_code,
        coupon=coupon,
    )


def cart_lines(*, cart: Cart, at: datetime) -> list[OrderLine]:
    """The lines of a loaded cart, ready to be sold.

    Raises CartClosed, CartEmpty, and PriceChanged or NotOnSale when the tenant has to change
    lines first.
    """
    if (status := cart.status_at(at)) not in (CartStatus.OPEN, CartStatus.FROZEN):
        raise CartClosed(f"It is {status.value}. Make a new cart.")
    rows = list(cart.lines.all())
    if not rows:
        raise CartEmpty(f"POST a price to /carts/{cart.pk}/items first.")
    _check_on_sale(rows)
    return [OrderLine(row.price, row.quantity) for row in rows]


def _find_cart(project: Project, request: CheckoutRequest) -> Cart:
    if request.lines:
        raise AmbiguousOrder("Send either a cart or prices.", field="cart")
    cart = carts.get(project=project, cart_id=request.cart)
    if request.user_id and request.user_id not in (cart.customer.user_id, cart.customer_id):
        raise Invalid("The cart is another user's.", field="user_id")
    return cart


def _check_trial(request: CheckoutRequest, lines: Sequence[OrderLine]) -> None:
    if request.trial_period_days is None:
        for name in ("trial_without_card", "trial_end_behavior"):
            if getattr(request, name):
                raise Invalid("Send trial_period_days with it.", field=name)
    elif not any(line.price.is_recurring for line in lines):
        raise Invalid("Only a subscription has a trial.", field="trial_period_days")


def _check_on_sale(rows: Sequence[CartLine]) -> None:
    """Raises an error that names every archived line, each with the price to use instead."""
    problems = [
        {
            "line": row.pk,
            "price": row.price_id,
            "replacement": replacement.pk if replacement else None,
        }
        for row in rows
        if not (row.price.active and row.price.product.active)
        for replacement in [carts.find_replacement(line=row)]
    ]
    if not problems:
        return
    if all(problem["replacement"] for problem in problems):
        raise PriceChanged(
            "PATCH each of these lines with its replacement as price.", problems=problems
        )
    raise NotOnSale(
        "Take the archived lines out of the cart, or PATCH them with a price that is on sale.",
        problems=problems,
    )
