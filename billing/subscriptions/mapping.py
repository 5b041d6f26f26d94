"""Store a Stripe subscription with its items, and update the access that it gives."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from billing import representation
from billing.access import service as access
from billing.access.selectors import purchased_rows
from billing.catalog.selectors import coupons as named_coupons
from billing.catalog.selectors.catalog import prices_by_stripe_id
from billing.invoices import shown_invoices
from billing.models import (
    Coupon,
    Invoice,
    Price,
    PromotionCode,
    StripeAccount,
    Subscription,
    SubscriptionItem,
)
from billing.models.subscription import SubscriptionStatus
from billing.models.sync_object import ObjectKind
from billing.representation import duplicates
from billing.representation.subscriptions import DiscountBody, SubscriptionBody
from billing.stripe import subscriptions as stripe_subscriptions
from billing.stripe.snapshots import ScheduledItemSnapshot, SubscriptionSnapshot
from billing.subscriptions import subscription_events, trials
from billing.sync import kinds
from billing.sync.changes import write_and_record
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import Children, Differences, RowPlan, Values
from billing.sync.selectors import owners, page_rows
from billing.sync.selectors.owners import Owner
from common.prepared_queries import Parameter, PreparedValues
from common.times import rfc3339
from projects.models import Customer

_UNLINKED_INVOICES = PreparedValues(
    lambda: (
        Invoice.objects.for_project(Parameter("project_id"))
        .filter(
            account_id=Parameter("account_id"),
            customer_id=Parameter("customer_id"),
            subscription_stripe_id=Parameter("stripe_id"),
            subscription__isnull=True,
        )
        .values_list("pk")
    )
)


KEPT_PRICE = (*subscription_events.PERIOD_SUFFIXES, ".quantity")
"""Endings of the differences of an item that bills the same price as before."""


def _find_owner(account: StripeAccount, snapshot: SubscriptionSnapshot) -> Owner | None:
    return owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)


def _plan_row(
    account: StripeAccount, owner: Owner, snapshot: SubscriptionSnapshot
) -> RowPlan[Subscription]:
    row = owners.project_row(
        Subscription, account=account, project_id=owner.project_id, stripe_id=snapshot.stripe_id
    ) or Subscription(project_id=owner.project_id, account=account)
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "customer_id": owner.customer_id,
            "status": snapshot.status,
            "started_at": snapshot.started_at,
            "anchored_at": snapshot.anchored_at,
            "quotas_anchored_at": row.quotas_anchored_at or snapshot.anchored_at,
            "trial_ends_at": snapshot.trial_ends_at,
            "cancel_at": snapshot.cancel_at,
            "canceled_at": snapshot.canceled_at,
            "ended_at": snapshot.ended_at,
            "latest_invoice_stripe_id": snapshot.latest_invoice_stripe_id or "",
            "currency": snapshot.currency,
            "pause_behavior": snapshot.pause_behavior,
            "resumes_at": snapshot.resumes_at,
            "schedule_stripe_id": snapshot.schedule_stripe_id or "",
            "scheduled_at": snapshot.scheduled_at,
            "scheduled_items": _scheduled_items(account, row.project_id, snapshot),
            "discounts": _discount_values(account, row.project_id, snapshot),
            "automatic_tax": snapshot.automatic_tax,
            "metadata": snapshot.metadata,
        },
        children=(_plan_items(account, row, snapshot),),
    )


def _scheduled_items(
    account: StripeAccount, project_id: str, snapshot: SubscriptionSnapshot
) -> list[dict[str, Any]]:
    if not snapshot.scheduled_items:
        return []
    stripe_ids = {item.price_stripe_id for item in snapshot.scheduled_items}
    prices = page_rows.find_many(
        Price, account=account, project_id=project_id, stripe_ids=stripe_ids
    )
    if prices is None:
        rows = Price.objects.for_project(project_id).filter(
            account=account, stripe_id__in=stripe_ids
        )
        prices = {price.stripe_id: price for price in rows}
    return [
        _scheduled_item(item, prices.get(item.price_stripe_id)) for item in snapshot.scheduled_items
    ]


def _scheduled_item(item: ScheduledItemSnapshot, price: Price | None) -> dict[str, Any]:
    return {
        "price": price.pk if price else None,
        "product": price.product_id if price else None,
        "price_stripe_id": item.price_stripe_id,
        "quantity": item.quantity,
    }


def _discount_values(
    account: StripeAccount, project_id: str, snapshot: SubscriptionSnapshot
) -> list[DiscountBody]:
    """Return the discounts with the ids of our coupons and codes that the catalog has."""
    if not snapshot.discounts:
        return []
    coupons, codes = (
        named_coupons.ids_by_stripe_id(
            model, account=account, project_id=project_id, stripe_ids=stripe_ids
        )
        for model, stripe_ids in (
            (Coupon, [each.coupon_stripe_id for each in snapshot.discounts]),
            (PromotionCode, [each.promotion_code_stripe_id for each in snapshot.discounts]),
        )
    )
    return [
        {
            "coupon": coupons.get(discount.coupon_stripe_id),
            "promotion_code": codes.get(discount.promotion_code_stripe_id),
            "ends_at": rfc3339(discount.ends_at),
            "stripe_id": discount.stripe_id,
        }
        for discount in snapshot.discounts
    ]


def _plan_items(
    account: StripeAccount, row: Subscription, snapshot: SubscriptionSnapshot
) -> Children:
    stored_rows = _stored_items(account, row)
    price_ids = _price_ids(account, row, stored_rows, snapshot)
    return Children(
        name="items",
        rows={item.stripe_id: item for item in stored_rows},
        values_by_id={
            item.stripe_id: {
                "stripe_id": item.stripe_id,
                "price_id": price_ids.get(item.price_stripe_id),
                "price_stripe_id": item.price_stripe_id,
                "quantity": item.quantity,
                "period_start": item.period_start,
                "period_end": item.period_end,
            }
            for item in snapshot.items
        },
        new=lambda stripe_id: SubscriptionItem(project_id=row.project_id, subscription=row),
    )


def _stored_items(account: StripeAccount, row: Subscription) -> list[SubscriptionItem]:
    if row._state.adding:
        return []
    if page_rows.find(Subscription, account=account, stripe_id=str(row.stripe_id)):
        return list(row.items.all())
    return purchased_rows.find_items([row.pk])


def _price_ids(
    account: StripeAccount,
    row: Subscription,
    stored_rows: Iterable[SubscriptionItem],
    snapshot: SubscriptionSnapshot,
) -> dict[str | None, str]:
    """Our price ids by Stripe id. A price keeps its Stripe id, so those of stored items are
    known."""
    stored: dict[str | None, str] = {
        item.price_stripe_id: item.price_id for item in stored_rows if item.price_id
    }
    unknown = {item.price_stripe_id for item in snapshot.items} - stored.keys()
    return stored | prices_by_stripe_id(
        account=account, project_id=row.project_id, stripe_ids=unknown
    )


def _values_when_gone(row: Subscription, at: datetime) -> Values:
    if row.has_ended:
        return {}
    return {
        "status": SubscriptionStatus.CANCELED.value,
        "canceled_at": row.canceled_at or at,
        "ended_at": row.ended_at or at,
    }


def _write_plan(plan: RowPlan[Subscription], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    row = plan.row
    row.customer = customer
    was_new = plan.is_new
    shown = _Shown(plan)
    write_and_record(
        plan,
        customer=customer,
        render=shown.render,
        event_types=subscription_events.event_types,
        link=shown.reload,
        at=at,
    )
    if was_new:
        _link_invoices(row, customer, at)
    access.follow_subscription(subscription=row, customer=customer, at=at, items=shown.items)
    trials.record_trial_ending(subscription=row, customer=customer, at=at)


class _Shown:
    """What the body of a subscription shows beside its row, with the products of its items: read
    once, and again after a change of its status or of the prices that it bills."""

    def __init__(self, plan: RowPlan[Subscription]) -> None:
        self._original_id: str | None = None
        self.items: list[SubscriptionItem] = [
            row
            for children in plan.children
            for row in children.rows.values()
            if isinstance(row, SubscriptionItem)
        ]
        if not plan.children:
            self.items = purchased_rows.find_items([plan.row.pk])

    def render(self, row: Subscription) -> SubscriptionBody:
        body = representation.subscription(row, self.items)
        self._original_id = body["duplicate_of"]
        return body

    def reload(self, row: Subscription, differences: Differences) -> None:
        """Call after the row and its items are written."""
        if any(name.startswith("items[") and not name.endswith(KEPT_PRICE) for name in differences):
            self.items = purchased_rows.find_items([row.pk])
        elif "status" not in differences:
            duplicates.remember(subscription=row, original_id=self._original_id)


def _link_invoices(row: Subscription, customer: Customer, at: datetime) -> None:
    """Link the invoices that were stored before their subscription. Mostly there are none."""
    unlinked = _UNLINKED_INVOICES.rows(
        project_id=row.project_id,
        account_id=row.account_id,
        customer_id=row.customer_id,
        stripe_id=row.stripe_id,
    )
    if not unlinked:
        return
    ids = [pk for (pk,) in unlinked]
    bodies = shown_invoices.bodies_before(ids, customer=customer)
    Invoice.objects.for_project(row.project_id).filter(pk__in=ids).update(subscription=row)
    for invoice, _ in bodies:
        invoice.subscription = row
    shown_invoices.record_changes(bodies, customer=customer, at=at)


MAPPER: Mapper[SubscriptionSnapshot, Subscription] = Mapper(
    model=Subscription,
    owner=_find_owner,
    plan=_plan_row,
    gone=_values_when_gone,
    carry_out=_write_plan,
)

MIRRORED = Mirrored(
    ObjectKind.SUBSCRIPTION,
    stripe_subscriptions.retrieve,
    stripe_subscriptions.iterate,
    MAPPER,
    kinds.never,
)
