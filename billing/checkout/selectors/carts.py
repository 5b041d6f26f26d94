"""Carts with their lines, the current prices of those, and the checkouts that sold them."""

from datetime import datetime

from django.db.models import Prefetch, Q

from billing.catalog.selectors import catalog
from billing.models import Cart, CartLine, Price
from billing.models.cart import CartStatus
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.customers import selectors as customers
from projects.models import Project

ON_PAGE = Q(status=CartStatus.FROZEN, checkout__isnull=False)
"""Condition: the cart is on a page now."""


def listing(
    *, project: Project | str, at: datetime, user_id: str = "", status: str = ""
) -> ProjectQuerySet[Cart]:
    """Carts that match all filters. Five queries for any number of carts."""
    rows = _loaded(project)
    if user_id:
        rows = rows.filter(**customers.owner_filter(project=project, user_id=user_id))
    return rows.filter(status_condition(CartStatus(status), at)) if status else rows


def get(*, project: Project | str, cart_id: str) -> Cart:
    """One cart; raises NotFound."""
    row = _loaded(project).filter(pk=cart_id).first()
    if row is None:
        raise NotFound("No cart with this id.")
    return row


def get_line(*, cart: Cart, line_id: str) -> CartLine:
    """One line of a loaded cart; raises NotFound."""
    for line in cart.lines.all():
        if line.pk == line_id:
            return line
    raise NotFound("No line with this id in the cart.")


def find_replacement(*, line: CartLine) -> Price | None:
    """The price to use instead of the line's archived one: the only price on sale of the same
    product, currency and interval; None without one or with several."""
    price = line.price
    if not price.product.active:
        return None
    candidates = [
        other
        for other in price.product.on_sale  # type: ignore[attr-defined]  # loaded above
        if other.currency == price.currency
        and (other.type, other.interval) == (price.type, price.interval)
        and other.interval_count == price.interval_count
    ]
    return candidates[0] if len(candidates) == 1 else None


def overdue(*, at: datetime) -> ProjectQuerySet[Cart]:
    """Carts of all projects whose time is over but whose stored status is not yet ``expired``."""
    is_open = Q(status=CartStatus.OPEN) | (Q(status=CartStatus.FROZEN) & ~ON_PAGE)
    return Cart.objects.across_projects().filter(is_open, expires_at__lte=at)


def lock_free(rows: ProjectQuerySet[Cart], *, limit: int) -> list[str]:
    """Lock up to ``limit`` of these carts until the transaction ends and return their ids; carts
    that another transaction holds are left out."""
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


def status_condition(status: CartStatus, at: datetime) -> Q:
    """The condition under which ``Cart.status_at(at)`` returns this status."""
    is_not_on_page = ~Q(status=CartStatus.COMPLETED) & ~ON_PAGE
    return {
        CartStatus.COMPLETED: Q(status=CartStatus.COMPLETED),
        CartStatus.FROZEN: ON_PAGE,
        CartStatus.EXPIRED: is_not_on_page & Q(expires_at__lte=at),
        CartStatus.OPEN: is_not_on_page & Q(expires_at__gt=at),
    }[status]
