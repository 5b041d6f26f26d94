"""Products and prices of a project. Rows without a Stripe id are left out."""

from collections.abc import Collection
from typing import Any

from django.db.models import Prefetch, Q, prefetch_related_objects

from billing.models import Price, Product, ProductFeature, StripeAccount
from billing.models.price import PriceType
from billing.sync.selectors import page_rows
from common.errors import NotFound
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedQuery, PreparedValues, is_any
from projects.models import Project

_PRODUCT = PreparedQuery(
    lambda: Product.objects.for_project(Parameter("project_id")).filter(
        pk=Parameter("id"), stripe_id__isnull=False
    )
)
_LOCKED_PRODUCT = PreparedQuery(lambda: lock_query())  # noqa: PLW0108  # defined below
_PRICES_BY_ID = PreparedQuery(
    lambda: Price.objects.for_project(Parameter("project_id")).filter(
        is_any("id", "ids"), stripe_id__isnull=False
    ),
    related=["meter", "product"],
)
_PRICES_BY_STRIPE_ID = PreparedValues(
    lambda: (
        Price.objects.for_project(Parameter("project_id"))
        .filter(is_any("stripe_id", "stripe_ids"), account_id=Parameter("account_id"))
        .values_list("stripe_id", "pk")
    )
)


def products(*, project: Project, active: bool | None = None) -> ProjectQuerySet[Product]:
    """The project's products with their features. Two queries for any number."""
    rows = (
        Product.objects.for_project(project)
        .filter(stripe_id__isnull=False)
        .prefetch_related(_features(project))
    )
    return rows if active is None else rows.filter(active=active)


def product(*, project: Project, product_id: str) -> Product:
    """One product with its features; raises NotFound."""
    row = _PRODUCT.first(project_id=project.pk, id=product_id)
    if row is None:
        raise NotFound("No product with this id.")
    prefetch_related_objects([row], _features(project))
    return row


def find_for_event(*, project_id: str, product_id: str) -> Product | None:
    """The product's current row with its features; None while Stripe has no such product."""
    row = _PRODUCT.first(project_id=project_id, id=product_id)
    if row is not None:
        prefetch_related_objects([row], _features(project_id))
    return row


def _features(project: Project | str) -> "Prefetch[Any]":
    """The features of products, read with what they are features of."""
    rows = ProductFeature.objects.for_project(project).select_related("feature")
    return Prefetch("features", queryset=rows)


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
    if not ids:
        return {}
    rows = _PRICES_BY_ID.rows(project_id=project.pk, ids=sorted(ids))
    return {row.pk: row for row in rows}


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
    row = _LOCKED_PRODUCT.first(project_id=project_id, id=product_id)
    if row is None:
        raise Product.DoesNotExist
    return row


def lock_query() -> ProjectQuerySet[Product]:
    """The query of :func:`lock_product`."""
    rows = Product.objects.for_project(Parameter("project_id")).filter(pk=Parameter("id"))
    return rows.select_for_update()


def prices_by_stripe_id(
    *, account: StripeAccount, project_id: str, stripe_ids: set[str]
) -> dict[str | None, str]:
    """Our price ids by Stripe id; prices outside the project's catalog are left out."""
    loaded = page_rows.find_many(
        Price, account=account, project_id=project_id, stripe_ids=stripe_ids
    )
    if loaded is not None:
        return {stripe_id: row.pk for stripe_id, row in loaded.items()}
    if not stripe_ids:
        return {}
    rows = _PRICES_BY_STRIPE_ID.rows(
        project_id=project_id, account_id=account.pk, stripe_ids=sorted(stripe_ids)
    )
    return dict(rows)
