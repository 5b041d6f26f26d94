"""Products. In a project's own account, products that were created elsewhere are mirrored too."""

from datetime import datetime

from billing.models import Product, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.stripe import products as stripe_products
from billing.stripe.snapshots import ProductSnapshot
from billing.sync import kinds
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from projects.models import Customer


def _row(account: StripeAccount, snapshot: ProductSnapshot) -> Product | None:
    return owners.claimed_row(
        Product, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )


def _owner(account: StripeAccount, snapshot: ProductSnapshot) -> Owner | None:
    row = _row(account, snapshot)
    project_id = row.project_id if row is not None else account.project_id
    return Owner(project_id) if project_id is not None else None


def _plan(account: StripeAccount, owner: Owner, snapshot: ProductSnapshot) -> RowPlan[Product]:
    return RowPlan(
        row=_row(account, snapshot) or Product(project_id=owner.project_id, account=account),
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


def _carry_out(planned: RowPlan[Product], customer: Customer | None, at: datetime) -> None:
    planned.write(at=at)


def _no_customer(row: Product) -> None:
    return None


MAPPER: Mapper[ProductSnapshot, Product] = Mapper(
    model=Product,
    owner=_owner,
    plan=_plan,
    gone=_gone,
    carry_out=_carry_out,
    customer_id=_no_customer,
)

MIRRORED = Mirrored(
    ObjectKind.PRODUCT,
    stripe_products.retrieve,
    stripe_products.iterate,
    MAPPER,
    kinds.always,
)
