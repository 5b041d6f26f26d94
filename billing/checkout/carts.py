"""Carts: filled and changed in our database only, bought on a checkout page.

A cart that is on a page is frozen. Every change of a cart holds the customer's lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from django.db import transaction

from billing.checkout import cart_events, order_lines, orders
from billing.checkout.orders import OrderLine
from billing.checkout.selectors import carts
from billing.errors import CartClosed, CartFrozen
from billing.models import Cart, CartLine, Checkout, Price
from billing.models.cart import CartStatus
from billing.models.checkout import CheckoutStatus
from common.errors import Invalid
from common.models import ProjectQuerySet
from projects.customers import selectors as customer_selectors
from projects.customers import service as customers
from projects.models import Project

SHORTEST_LIFETIME, LONGEST_LIFETIME = timedelta(minutes=1), timedelta(days=90)
BATCH_SIZE = 100


def create(
    *,
    project: Project,
    user_id: str,
    lines: Sequence[tuple[str, int]],
    lifetime: timedelta,
    metadata: dict[str, str],
    at: datetime,
) -> Cart:
    """Create a cart with these prices and quantities, open for ``lifetime``.

    Raises an Invalid or Conflict for prices that cannot be bought, or not together.
    """
    new_lines = order_lines.read(project=project, items=lines)
    orders.check_together(lines=new_lines)
    for line in new_lines:
        orders.check_on_sale(price=line.price)
    with transaction.atomic():
        row = Cart.objects.for_project(project).create(
            customer=customers.ensure(project=project, user_id=user_id, at=at),
            currency=new_lines[0].price.currency if new_lines else "",
            metadata=metadata,
            expires_at=at + lifetime,
        )
        for line in new_lines:
            _add_line(row, line)
    return carts.get(project=project, cart_id=row.pk)


def add_item(*, cart: Cart, price: str, quantity: int, at: datetime) -> Cart:
    """Add this many of a price to the cart, to its line if there is one.

    Raises CartFrozen, CartClosed, and an Invalid or Conflict for a price that cannot be bought, or
    not together with the other lines.
    """
    new = _find_price(cart.project, price)
    orders.check_on_sale(price=new)
    with _change_open_cart(cart, at=at) as row:
        line = next((line for line in row.lines.all() if line.price_id == price), None)
        if line is not None:
            _update_line(line, price=new, quantity=line.quantity + quantity)
        else:
            _add_line(row, OrderLine(new, quantity))
    return carts.get(project=cart.project, cart_id=cart.pk)


def change_line(
    *, cart: Cart, line_id: str, price: str | None, quantity: int | None, at: datetime
) -> Cart:
    """Change a line's quantity, or its price to another one of the same product.

    Raises NotFound for an unknown line, and the errors of :func:`add_item`.
    """
    new = _find_price(cart.project, price) if price is not None else None
    with _change_open_cart(cart, at=at) as row:
        line = carts.get_line(cart=row, line_id=line_id)
        if new is not None and new.pk != line.price_id:
            orders.check_on_sale(price=new)
            if new.product_id != line.price.product_id:
                raise Invalid("Send another price of the same product.", field="price")
            if any(other.price_id == new.pk for other in row.lines.all()):
                raise Invalid("This price is in the cart already.", field="price")
        _update_line(line, price=new or line.price, quantity=quantity or line.quantity)
    return carts.get(project=cart.project, cart_id=cart.pk)


def remove_line(*, cart: Cart, line_id: str, at: datetime) -> Cart:
    """Delete a line. Raises NotFound for an unknown line, CartFrozen, CartClosed."""
    with _change_open_cart(cart, at=at) as row:
        carts.get_line(cart=row, line_id=line_id).delete()
    return carts.get(project=cart.project, cart_id=cart.pk)


def delete(*, cart: Cart, at: datetime) -> None:
    """Delete a cart that was not bought; checkouts of it keep their own lines.

    Raises CartFrozen, and CartClosed for a cart that was bought.
    """
    with transaction.atomic():
        row = _lock_cart(cart)
        status = row.status_at(at)
        if status == CartStatus.COMPLETED:
            raise CartClosed("The cart was bought. It cannot be deleted.")
        _check_not_frozen(row, status)
        pages = Checkout.objects.for_project(row.project_id).filter(cart=row)
        pages.update(cart=None)
        row.delete()


def expire_due(*, at: datetime) -> int:
    """Store the status ``expired`` of carts whose time is over. Return how many there were.

    Readers do not wait for this: ``Cart.status_at`` computes the status.
    """
    total = 0
    due = carts.select_overdue(at=at)
    while count := _expire_batch(due, at):
        total += count
    return total


def _expire_batch(due: ProjectQuerySet[Cart], at: datetime) -> int:
    """Expire one batch and return its size. Carts that another transaction has locked are left."""
    with transaction.atomic():
        owners = carts.owners_of(due, limit=BATCH_SIZE)
        for project_id, group in groupby(owners, key=itemgetter(0)):
            customer_ids = {customer_id for _, customer_id, _ in group}
            customer_selectors.lock_many(project_id=project_id, customer_ids=customer_ids)
        chosen = due.filter(pk__in=[cart_id for _, _, cart_id in owners])
        batch = carts.lock_free(chosen, limit=BATCH_SIZE)
        due.filter(pk__in=batch).update(status=CartStatus.EXPIRED, updated_at=at)
        cart_events.record_expired(cart_ids=batch, at=at)
    return len(batch)


def follow_checkout(*, checkout: Checkout, at: datetime) -> None:
    """Complete the cart of a paid page; reopen it if the page closed or its payment failed.

    The caller holds the customer's lock.
    """
    rows = Cart.objects.for_project(checkout.project_id).filter(checkout=checkout)
    if checkout.cart_id is None:
        return
    if checkout.is_fulfilled:
        before = rows.exclude(status=CartStatus.COMPLETED).values_list("status", flat=True).first()
        if before is not None:
            rows.update(
                status=CartStatus.COMPLETED, completed_at=checkout.completed_at or at, updated_at=at
            )
            cart_events.record_completed(
                project_id=checkout.project_id,
                cart_id=checkout.cart_id,
                previous_status=before,
                at=at,
            )
    elif checkout.status == CheckoutStatus.EXPIRED or checkout.payment_failed_at is not None:
        rows.filter(status=CartStatus.FROZEN).update(
            status=CartStatus.OPEN, checkout=None, updated_at=at
        )


def check_open(*, cart: Cart, at: datetime) -> None:
    """Raise CartFrozen or CartClosed for a cart that cannot change now."""
    status = cart.status_at(at)
    _check_not_frozen(cart, status)
    if status != CartStatus.OPEN:
        raise CartClosed(f"The cart is {status.value}. Create a new cart.")


@contextmanager
def _change_open_cart(cart: Cart, *, at: datetime) -> Iterator[Cart]:
    """Lock an open cart for a change. Check afterwards that its lines can be one order."""
    with transaction.atomic():
        row = _lock_cart(cart)
        check_open(cart=row, at=at)
        yield row
        lines = list(
            CartLine.objects.for_project(row.project_id)
            .filter(cart=row)
            .select_related("price__product")
        )
        orders.check_together(lines=[OrderLine(line.price, line.quantity) for line in lines])
        Cart.objects.for_project(row.project_id).filter(pk=row.pk).update(
            currency=lines[0].price.currency if lines else "", updated_at=at
        )


def _lock_cart(cart: Cart) -> Cart:
    """Lock the cart's customer until the transaction ends, then load the cart; raises NotFound."""
    customer_selectors.lock(project_id=cart.project_id, customer_id=cart.customer_id)
    return carts.get(project=cart.project_id, cart_id=cart.pk)


def _check_not_frozen(cart: Cart, status: CartStatus) -> None:
    if status == CartStatus.FROZEN:
        raise CartFrozen(
            f"Close the cart's checkout {cart.checkout_id} first, or wait until it has ended.",
            checkout=cart.checkout_id,
        )


def _find_price(project: Project, price_id: str) -> Price:
    (line,) = order_lines.read(project=project, items=[(price_id, 1)], field="price")
    return line.price


def _add_line(cart: Cart, line: OrderLine) -> None:
    CartLine.objects.for_project(cart.project_id).create(
        cart=cart, price=line.price, quantity=line.quantity
    )


def _update_line(line: CartLine, *, price: Price, quantity: int) -> None:
    """Store one more than the maximum for any larger quantity: the check of the whole cart refuses
    it before the commit."""
    line.price, line.quantity = price, min(quantity, orders.MAX_QUANTITY + 1)
    line.save(update_fields=["price", "quantity"])
