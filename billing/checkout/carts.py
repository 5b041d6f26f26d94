"""Carts: filled and changed here, in our database only; bought on a checkout page.

A cart that is on a page is frozen. Whoever changes one holds the customer's lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction

from billing.checkout import order_lines, orders
from billing.checkout.orders import Line
from billing.checkout.selectors import carts
from billing.errors import CartClosed, CartFrozen
from billing.models import Cart, CartLine, Checkout, Payment, Price
from billing.models.cart import CartStatus
from billing.models.checkout import CheckoutStatus
from billing.models.payment import PaymentStatus
from common.errors import Invalid
from common.models import ProjectQuerySet
from projects.models import Project
from projects.selectors import customers as customer_selectors
from projects.services import customers

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=90)
BATCH = 1000


def create(
    *,
    project: Project,
    user_id: str,
    lines: Sequence[tuple[str, int]],
    life: timedelta,
    metadata: dict[str, str],
    at: datetime,
) -> Cart:
    """A new cart with these prices and quantities in it, open for ``life``.

    Raises an Invalid or Conflict for what cannot be bought, or not together.
    """
    found = order_lines.read(project=project, wanted=lines)
    orders.check_together(lines=found)
    for line in found:
        orders.check_on_sale(price=line.price)
    with transaction.atomic():
        row = Cart.objects.for_project(project).create(
            customer=customers.ensure(project=project, user_id=user_id, at=at),
            currency=found[0].price.currency if found else "",
            metadata=metadata,
            expires_at=at + life,
        )
        for line in found:
            _put(row, line)
    return carts.get(project=project, cart_id=row.pk)


def add(*, cart: Cart, price: str, quantity: int, at: datetime) -> Cart:
    """The cart with this many more of a price. Raises CartFrozen, CartClosed, and as above."""
    new = _price(cart.project, price)
    orders.check_on_sale(price=new)
    with _changing(cart, at=at) as row:
        standing = [each for each in row.lines.all() if each.price_id == price]
        if standing:
            _set(standing[0], price=new, quantity=standing[0].quantity + quantity)
        else:
            _put(row, Line(new, quantity))
    return carts.get(project=cart.project, cart_id=cart.pk)


def change(
    *, cart: Cart, line_id: str, price: str | None, quantity: int | None, at: datetime
) -> Cart:
    """The cart with another number in a line, or another price of the same product; as above."""
    new = _price(cart.project, price) if price is not None else None
    with _changing(cart, at=at) as row:
        line = carts.line(cart=row, line_id=line_id)
        if new is not None and new.pk != line.price_id:
            orders.check_on_sale(price=new)
            if new.product_id != line.price.product_id:
                raise Invalid("Send another price of the same product.", field="price")
            if any(each.price_id == new.pk for each in row.lines.all()):
                raise Invalid("This price is in the cart already.", field="price")
        _set(line, price=new or line.price, quantity=quantity or line.quantity)
    return carts.get(project=cart.project, cart_id=cart.pk)


def remove(*, cart: Cart, line_id: str, at: datetime) -> Cart:
    """The cart without this line; as above."""
    with _changing(cart, at=at) as row:
        carts.line(cart=row, line_id=line_id).delete()
    return carts.get(project=cart.project, cart_id=cart.pk)


def delete(*, cart: Cart, at: datetime) -> None:
    """Forget a cart that was not bought; pages that it was on before keep what they showed.

    Raises CartFrozen, and CartClosed for one that was bought.
    """
    with transaction.atomic():
        row = _locked(cart)
        standing = row.standing(at)
        if standing == CartStatus.COMPLETED:
            raise CartClosed("It was bought: it is kept with the books.")
        _refuse_frozen(row, standing)
        pages = Checkout.objects.for_project(row.project_id).filter(cart=row)
        pages.update(cart=None)
        row.delete()


def close_due(*, at: datetime) -> int:
    """Write down which carts time has ended; how many that were. What they are does not wait."""
    closed = 0
    due = carts.over(at=at)
    while batch := _close_batch(due, at):
        closed += batch
    return closed


def _close_batch(due: ProjectQuerySet[Cart], at: datetime) -> int:
    """How many were closed. A cart that somebody holds is left to the next run."""
    with transaction.atomic():
        batch = carts.lock_free(due, limit=BATCH)
        return due.filter(pk__in=batch).update(status=CartStatus.EXPIRED, updated_at=at)


def follow(*, checkout: Checkout, at: datetime) -> None:
    """Let the cart end with its page: it is bought once that is paid, and free again when the
    page has closed or its payment has failed. The caller holds the customer's lock."""
    rows = Cart.objects.for_project(checkout.project_id).filter(checkout=checkout)
    if checkout.cart_id is None:
        return
    if checkout.is_fulfilled:
        rows.exclude(status=CartStatus.COMPLETED).update(
            status=CartStatus.COMPLETED, completed_at=checkout.completed_at or at, updated_at=at
        )
    elif checkout.status == CheckoutStatus.EXPIRED or _has_failed(checkout):
        rows.filter(status=CartStatus.FROZEN).update(
            status=CartStatus.OPEN, checkout=None, updated_at=at
        )


def refuse_unless_open(*, cart: Cart, at: datetime) -> None:
    """Raises CartFrozen or CartClosed for a cart that cannot change now."""
    standing = cart.standing(at)
    _refuse_frozen(cart, standing)
    if standing != CartStatus.OPEN:
        raise CartClosed(f"It is {standing.value}. Make a new cart.")


@contextmanager
def _changing(cart: Cart, *, at: datetime) -> Iterator[Cart]:
    """The cart, locked and open; what became of it must still go together."""
    with transaction.atomic():
        row = _locked(cart)
        refuse_unless_open(cart=row, at=at)
        yield row
        lines = list(
            CartLine.objects.for_project(row.project_id)
            .filter(cart=row)
            .select_related("price__product")
        )
        orders.check_together(lines=[Line(each.price, each.quantity) for each in lines])
        Cart.objects.for_project(row.project_id).filter(pk=row.pk).update(
            currency=lines[0].price.currency if lines else "", updated_at=at
        )


def _has_failed(checkout: Checkout) -> bool:
    """Whether the page is done and its money, which takes days, has not come."""
    return (
        checkout.status == CheckoutStatus.COMPLETE
        and Payment.objects.for_project(checkout.project_id)
        .filter(checkout=checkout, status__in=[PaymentStatus.FAILED, PaymentStatus.CANCELED])
        .exists()
    )


def _locked(cart: Cart) -> Cart:
    """The cart as it is now, its customer locked until the transaction ends; raises NotFound."""
    customer_selectors.lock(project_id=cart.project_id, customer_id=cart.customer_id)
    return carts.get(project=cart.project_id, cart_id=cart.pk)


def _refuse_frozen(cart: Cart, standing: CartStatus) -> None:
    if standing == CartStatus.FROZEN:
        raise CartFrozen(
            f"Close its checkout {cart.checkout_id} first, or wait until that has ended.",
            checkout=cart.checkout_id,
        )


def _price(project: Project, price_id: str) -> Price:
    (line,) = order_lines.read(project=project, wanted=[(price_id, 1)], field="price")
    return line.price


def _put(cart: Cart, line: Line) -> None:
    CartLine.objects.for_project(cart.project_id).create(
        cart=cart, price=line.price, quantity=line.quantity
    )


def _set(line: CartLine, *, price: Price, quantity: int) -> None:
    """Numbers out of range are refused with the whole cart, before anything is committed."""
    line.price, line.quantity = price, min(quantity, orders.MAX_QUANTITY + 1)
    line.save(update_fields=["price", "quantity"])
