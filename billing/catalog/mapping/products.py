"""Products. In a project's own account, products that were created elsewhere are mirrored too."""

from datetime import datetime

from billing.catalog.mapping import catalog_mapper
from billing.models import Product, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.stripe import products as stripe_products
from billing.stripe.snapshots import ProductSnapshot
from billing.sync import kinds
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors.owners import Owner


def _plan(account: StripeAccount, owner: Owner, snapshot: ProductSnapshot) -> RowPlan[Product]:
    return RowPlan(
        row=catalog_mapper.find_or_build_row(Product, account, owner, snapshot),
        values={
            "stripe_id": snapshot.stripe_id,
            "name": snapshot.name,
            "description": snapshot.description,
            "active": snapshot.active,
            "metadata": snapshot.metadata,
        },
    )


def _gone(row: Product, at: datetime) -> Values:
    """A deleted product cannot be sold any more; its holders keep it."""
    return {"active": False}


MAPPER: Mapper[ProductSnapshot, Product] = catalog_mapper.build_mapper(
    model=Product, plan=_plan, gone=_gone
)

MIRRORED = Mirrored(
    ObjectKind.PRODUCT,
    stripe_products.retrieve,
    stripe_products.iterate,
    MAPPER,
    kinds.always,
)
