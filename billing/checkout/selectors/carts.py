"""Read carts with their lines, the prices on sale of their products, and their checkouts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, prefetch_related_objects

from billing.catalog.selectors import catalog
from billing.models import Cart, CartLine, Price
from billing.models.cart import CartStatus
from common.errors import NotFound
from common.models import ProjectQuerySet, project_id_of
from common.prepared_queries import Parameter, PreparedQuery
from projects.customers import selectors as customers
from projects.models import Project

ON_PAGE = Q(status=CartStatus.FROZEN, checkout__isnull=False)
"""Condition: the cart is on a page now."""
_CART = PreparedQuery(
    lambda: Cart.objects.for_project(Parameter("project_id")).filter(pk=Parameter("id")),
    related=["customer", "project", "checkout"],
)


def listing(
    *, project: Project | str, at: datetime, user_id: str = "", status: str = ""
) -> ProjectQuerySet[Cart]:
    """Return the carts that match every non-empty filter: five queries, however many rows."""
    rows = _with_related_rows(project)
    if user_id:
        rows = rows.filter(**customers.owner_filter(project=project, user_id=user_id))
    return rows.filter(status_condition(CartStatus(status), at)) if status else rows


def get(*, project: Project | str, cart_id: str) -> Cart:
    """Return one cart. Raises NotFound."""
    row = _CART.first(project_id=project_id_of(project), id=cart_id)
    if row is None:
        raise NotFound("No cart with this id.")
    prefetch_related_objects([row], *_parts(project))
    return row


def get_line(*, cart: Cart, line_id: str) -> CartLine:
    """Return one line of a loaded cart. Raises NotFound."""
    for line in cart.lines.all():
        if line.pk == line_id:
            return line
    raise NotFound("No line with this id in the cart.")


def find_replacement(*, line: CartLine) -> Price | None:
    """Return the price to use instead of the line's archived one.

    It is the only price on sale of the same product, currency and interval; None if there is none
    or more than one.
    """
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


def select_overdue(*, at: datetime) -> ProjectQuerySet[Cart]:
    """Return all projects' carts that have expired but are not stored as ``expired`` yet."""
    is_open = Q(status=CartStatus.OPEN) | (Q(status=CartStatus.FROZEN) & ~ON_PAGE)
    return Cart.objects.across_projects().filter(is_open, expires_at__lte=at)


def with_contents(cart_ids: Sequence[str]) -> list[Cart]:
    """Return these carts of all projects, by project, with what their bodies show."""
    owners = Cart.objects.across_projects().filter(pk__in=cart_ids)
    projects = owners.order_by("project_id").values_list("project_id", flat=True).distinct()
    return [
        row
        for project_id in list(projects)
        for row in _with_related_rows(project_id).filter(pk__in=cart_ids).order_by("pk")
    ]


def owners_of(rows: ProjectQuerySet[Cart], *, limit: int) -> list[tuple[str, str, str]]:
    """Return project, customer and id of the first carts, in the order in which customers are
    locked."""
    first = rows.order_by("project_id", "customer_id", "pk")[:limit]
    return list(first.values_list("project_id", "customer_id", "pk"))


def lock_free(rows: ProjectQuerySet[Cart], *, limit: int) -> list[str]:
    """Lock up to ``limit`` of these carts until the transaction ends. Return their ids.

    Carts that another transaction has locked are left out.
    """
    locked = rows.select_for_update(skip_locked=True, of=("self",))
    return list(locked.values_list("pk", flat=True)[:limit])


def _with_related_rows(project: Project | str) -> ProjectQuerySet[Cart]:
    rows = Cart.objects.for_project(project).select_related("customer", "project")
    return rows.prefetch_related(*_parts(project))


def _parts(project: Project | str) -> Sequence["Prefetch[Any] | str"]:
    """The lines of carts, the prices on sale of their products, the lines of their checkouts."""
    prices = catalog.prices(project=project, active=True)
    lines = CartLine.objects.for_project(project).select_related("price__product")
    return (
        Prefetch("lines", queryset=lines),
        Prefetch("lines__price__product__prices", queryset=prices, to_attr="on_sale"),
        "checkout__lines",
    )


def status_condition(status: CartStatus, at: datetime) -> Q:
    """Return the condition under which ``Cart.status_at(at)`` returns this status."""
    is_not_on_page = ~Q(status=CartStatus.COMPLETED) & ~ON_PAGE
    return {
        CartStatus.COMPLETED: Q(status=CartStatus.COMPLETED),
        CartStatus.FROZEN: ON_PAGE,
        CartStatus.EXPIRED: is_not_on_page & Q(expires_at__lte=at),
        CartStatus.OPEN: is_not_on_page & Q(expires_at__gt=at),
    }[status]
