"""Prices. In a project's own account, prices that were created elsewhere are mirrored too."""

from datetime import datetime

from billing.catalog.mapping import catalog_mapper
from billing.models import (
    InvoiceLine,
    Price,
    Product,
    StripeAccount,
    StripeMeter,
    SubscriptionItem,
    SyncObject,
)
from billing.models.sync_object import ObjectKind
from billing.stripe import prices as stripe_prices
from billing.stripe.snapshots import PriceSnapshot
from billing.sync import kinds, sync_queue
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from common.queue import enqueue
from projects.models import Customer


def _owner(account: StripeAccount, snapshot: PriceSnapshot) -> Owner | None:
    """None (foreign) for a price that cannot be sold here: without one whole amount (tiers, parts
    of a cent), or with a meter that is not ours."""
    row = catalog_mapper.find_row(Price, account, snapshot)
    project_id = row.project_id if row is not None else account.project_id
    if project_id is None or snapshot.unit_amount is None:
        return None
    if row is None and snapshot.meter_stripe_id and not _meter_id(account, project_id, snapshot):
        return None
    return Owner(project_id)


def _plan(account: StripeAccount, owner: Owner, snapshot: PriceSnapshot) -> RowPlan[Price]:
    row = catalog_mapper.find_or_build_row(Price, account, owner, snapshot)
    product_id = row.product_id or _product_id(account, owner, snapshot)
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "product_id": product_id,
            "nickname": snapshot.nickname,
            "type": snapshot.type,
            "currency": snapshot.currency,
            "unit_amount": snapshot.unit_amount,
            "interval": snapshot.interval,
            "interval_count": snapshot.interval_count,
            "meter_id": row.meter_id or _meter_id(account, owner.project_id, snapshot),
            "active": snapshot.active,
            "metadata": snapshot.metadata,
        },
        needs=None if product_id else (ObjectKind.PRODUCT.value, snapshot.product_stripe_id),
    )


def _product_id(account: StripeAccount, owner: Owner, snapshot: PriceSnapshot) -> str | None:
    row = owners.project_row(
        Product,
        account=account,
        project_id=owner.project_id,
        stripe_id=snapshot.product_stripe_id,
    )
    return row.pk if row is not None else None


def _meter_id(account: StripeAccount, project_id: str, snapshot: PriceSnapshot) -> str | None:
    """Id of our meter that the price bills."""
    if not snapshot.meter_stripe_id:
        return None
    return (
        StripeMeter.objects.for_project(project_id)
        .filter(account=account, stripe_id=snapshot.meter_stripe_id)
        .values_list("meter_id", flat=True)
        .first()
    )


def _gone(row: Price, at: datetime) -> Values:
    """A deleted price cannot be sold any more; existing subscriptions keep it."""
    return {"active": False}


def _carry_out(planned: RowPlan[Price], customer: Customer | None, at: datetime) -> None:
    """Write the row; a new price also requests a sync of subscriptions and invoices that already
    have it."""
    differences = planned.differences()
    catalog_mapper.write_row(planned, customer, at)
    if "stripe_id" in differences:
        _request_sync_of_subscriptions(planned.row)
        _request_sync_of_invoices(planned.row)


def _request_sync_of_subscriptions(price: Price) -> None:
    waiting = (
        SubscriptionItem.objects.for_project(price.project_id)
        .filter(
            subscription__account_id=price.account_id,
            price_stripe_id=price.stripe_id,
            price__isnull=True,
        )
        .values_list("subscription__stripe_id", flat=True)
        .distinct()
    )
    for stripe_id in filter(None, waiting):
        sync_queue.request_sync(
            account_id=price.account_id, kind=ObjectKind.SUBSCRIPTION, stripe_id=stripe_id
        )
        enqueue("billing.sync")


def _request_sync_of_invoices(price: Price) -> None:
    waiting = (
        InvoiceLine.objects.for_project(price.project_id)
        .filter(unknown_price_stripe_id=price.stripe_id)
        .exclude(unknown_price_stripe_id="")
        .values("invoice__stripe_id")
    )
    sync_queue.request_syncs(
        SyncObject.objects.filter(
            account_id=price.account_id, kind=ObjectKind.INVOICE, stripe_id__in=waiting
        )
    )


MAPPER: Mapper[PriceSnapshot, Price] = catalog_mapper.build_mapper(
    model=Price, plan=_plan, gone=_gone, owner=_owner, carry_out=_carry_out
)

MIRRORED = Mirrored(
    ObjectKind.PRICE,
    stripe_prices.retrieve,
    stripe_prices.iterate,
    MAPPER,
    kinds.always,
)
