"""Products and prices of a project. Rows without a Stripe id are left out."""

from collections.abc import Collection

from django.db.models import Prefetch, Q

from billing.models import Price, Product, StripeAccount
from billing.models.price import PriceType
from billing.sync.selectors import page_rows
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project


def products(*, project: Project, active: bool | None = None) -> ProjectQuerySet[Product]:
    """The project's products with their features. Three queries for any number."""
    rows = (
        Product.objects.for_project(project)
        .filter(stripe_id__isnull=False)
        .prefetch_related("features__feature")
    )
    return rows if active is None else rows.filter(active=active)


def product(*, project: Project, product_id: str) -> Product:
    """One product with its features; raises NotFound."""
    row = products(project=project).filter(pk=product_id).first()
    if row is None:
        raise NotFound("No product with this id.")
    return row


def prices(
    *,
    project: Project | str,
    product: str = "",
    active: bool | None = None,
    price_type: str = "",
    currency: str = "",
) -> ProjectQuerySet[Price]:
    """The project's prices that match all filters."""
    filters = {"product_id": product, "type": price_type, "currency": currency}
    rows = Price.objects.for_project(project).filter(
        stripe_id__isnull=False, **{name: value for name, value in filters.items() if value}
    )
    rows = rows.select_related("meter")
    return rows if active is None else rows.filter(active=active)


def price(*, project: Project, price_id: str) -> Price:
    """One price with its product; raises NotFound."""
    row = prices(project=project).select_related("product").filter(pk=price_id).first()
    if row is None:
        raise NotFound("No price with this id.")
    return row


def prices_by_id(*, project: Project, ids: Collection[str]) -> dict[str, Price]:
    """The existing prices among these ids, by id, with their products."""
    return prices(project=project).select_related("product").in_bulk(list(ids))


def plans(*, project: Project, currency: str = "") -> ProjectQuerySet[Product]:
    """Products on sale by subscription, each with its open prices in ``plan_prices``.

    A product whose price is agreed with each customer is a plan without prices.
    """
    on_sale = open_prices(project=project, currency=currency).order_by(
        "currency", "unit_amount", "id"
    )
    return (
        products(project=project, active=True)
        .filter(Q(custom_price=True) | Q(pk__in=on_sale.order_by().values("product_id")))
        .prefetch_related(Prefetch("prices", queryset=on_sale, to_attr="plan_prices"))
    )


def open_prices(*, project: Project, currency: str = "") -> ProjectQuerySet[Price]:
    """Recurring prices on sale that every user may subscribe to (no ``custom_price`` products)."""
    rows = prices(project=project, active=True, price_type=PriceType.RECURRING, currency=currency)
    return rows.filter(product__active=True, product__custom_price=False)


def open_price(*, project: Project, price_id: str) -> Price:
    """One of :func:`open_prices`; raises NotFound."""
    row = open_prices(project=project).select_related("product").filter(pk=price_id).first()
    if row is None:
        raise NotFound("No plan has a price with this id.")
    return row


def lock_product(*, project_id: str, product_id: str) -> Product:
    """The product's row, locked until the transaction ends."""
    return Product.objects.for_project(project_id).select_for_update().get(pk=product_id)


def prices_by_stripe_id(
    *, account: StripeAccount, project_id: str, stripe_ids: set[str]
) -> dict[str | None, str]:
    """Our price ids by Stripe id; prices outside the project's catalog are left out."""
    loaded = page_rows.find_many(
        Price, account=account, project_id=project_id, stripe_ids=stripe_ids
    )
    if loaded is not None:
        return {stripe_id: row.pk for stripe_id, row in loaded.items()}
    rows = Price.objects.for_project(project_id).filter(account=account, stripe_id__in=stripe_ids)
    return dict(rows.values_list("stripe_id", "pk"))
