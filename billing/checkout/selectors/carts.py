"""The project's carts with their lines, what those cost now, and what became of them."""

from datetime import datetime

from django.db.models import Prefetch, Q

from billing.catalog.selectors import catalog
from billing.models import Cart, CartLine, Price
from billing.models.cart import CartStatus
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project
from projects.selectors import customers

HELD = Q(status=CartStatus.FROZEN, checkout__isnull=False)
"""Carts that are on a page at this moment."""


def listing(
    *, project: Project | str, at: datetime, user_id: str = "", status: str = ""
) -> ProjectQuerySet[Cart]:
    """Those that match every filter given: five queries, whatever their number."""
    rows = _loaded(project)
    if user_id:
        rows = rows.filter(**customers.owner_filter(project=project, user_id=user_id))
    return rows.filter(standing(CartStatus(status), at)) if status else rows


def get(*, project: Project | str, cart_id: str) -> Cart:
    """One cart; raises NotFound."""
    row = _loaded(project).filter(pk=cart_id).first()
    if row is None:
        raise NotFound("No cart with this id.")
    return row


def line(*, cart: Cart, line_id: str) -> CartLine:
    """One line of a loaded cart; raises NotFound."""
    for each in cart.lines.all():
        if each.pk == line_id:
            return each
    raise NotFound("No line with this id in the cart.")


def replacement(*, line: CartLine) -> Price | None:
    """The price that took the place of an archived one: the only one on sale for the same product
    in the same currency and interval."""
    price = line.price
    if not price.product.active:
        return None
    same = [
        other
        for other in price.product.on_sale  # type: ignore[attr-defined]  # loaded above
        if other.currency == price.currency
        and (other.type, other.interval) == (price.type, price.interval)
        and other.interval_count == price.interval_count
    ]
    return same[0] if len(same) == 1 else None


def over(*, at: datetime) -> ProjectQuerySet[Cart]:
    """Every project's carts whose time has passed without this being written down."""
    is_open = Q(status=CartStatus.OPEN) | (Q(status=CartStatus.FROZEN) & ~HELD)
    return Cart.objects.across_projects().filter(is_open, expires_at__lte=at)


def lock_free(rows: ProjectQuerySet[Cart], *, limit: int) -> list[str]:
    """The ids of some of these carts, locked until the transaction ends; those that somebody holds
    are left out."""
    locked = rows.select_for_update(skip_locked=True, of=("self",))
    return list(locked.values_list("pk", flat=True)[:limit])


def _loaded(project: Project | str) -> ProjectQuerySet[Cart]:
    prices = catalog.prices(project=project, active=True)
    lines = CartLine.objects.for_project(project).select_related("price__product")
    return (
        Cart.objects.for_project(project)
        .select_related("customer", "project")
        .prefetch_related(
            Prefetch("lines", queryset=lines),
            Prefetch("lines__price__product__prices", queryset=prices, to_attr="on_sale"),
            "checkout__lines",
        )
    )


def standing(status: CartStatus, at: datetime) -> Q:
    """What ``Cart.standing`` says, as a condition."""
    is_free = ~Q(status=CartStatus.COMPLETED) & ~HELD
    return {
        CartStatus.COMPLETED: Q(status=CartStatus.COMPLETED),
        CartStatus.FROZEN: HELD,
        CartStatus.EXPIRED: is_free & Q(expires_at__lte=at),
        CartStatus.OPEN: is_free & Q(expires_at__gt=at),
    }[status]
