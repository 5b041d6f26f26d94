"""Subscriptions with their items, and the access that follows from them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from billing import representation
from billing.access import service as access
from billing.catalog.selectors import coupons as named_coupons
from billing.catalog.selectors.catalog import prices_by_stripe_id
from billing.models import (
    Coupon,
    Invoice,
    Price,
    PromotionCode,
    StripeAccount,
    Subscription,
    SubscriptionItem,
)
from billing.models.subscription import ENDED, ENTITLING, SubscriptionStatus, is_paused
from billing.models.sync_object import ObjectKind
from billing.representation.subscriptions import DiscountBody
from billing.stripe import subscriptions as stripe_subscriptions
from billing.stripe.snapshots import ScheduledItemSnapshot, SubscriptionSnapshot
from billing.subscriptions import trials
from billing.sync import kinds
from billing.sync.changes import write_and_record
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import Children, Differences, RowPlan, Values
from billing.sync.selectors import owners, page_rows
from billing.sync.selectors.owners import Owner
from common.times import rfc3339
from events.catalog import EventType
from projects.models import Customer

UNSEEN = frozenset(
    {"anchored_at", "quotas_anchored_at", "latest_invoice_stripe_id", "schedule_stripe_id"}
)
"""Columns whose change alone is no news: what they lead to is told by itself."""


def _owner(account: StripeAccount, snapshot: SubscriptionSnapshot) -> Owner | None:
    return owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)


def _plan(
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
            "scheduled_items": _scheduled(account, row.project_id, snapshot),
            "discounts": _discounts(account, row.project_id, snapshot),
            "automatic_tax": snapshot.automatic_tax,
            "metadata": snapshot.metadata,
        },
        children=(_items(account, row, snapshot),),
    )


def _scheduled(
    account: StripeAccount, project_id: str, snapshot: SubscriptionSnapshot
) -> list[dict[str, Any]]:
    if not snapshot.scheduled_items:
        return []
    asked = {item.price_stripe_id for item in snapshot.scheduled_items}
    known = page_rows.find_many(Price, account=account, project_id=project_id, stripe_ids=asked)
    if known is None:
        found = Price.objects.for_project(project_id).filter(account=account, stripe_id__in=asked)
        known = {price.stripe_id: price for price in found}
    return [
        _scheduled_item(item, known.get(item.price_stripe_id)) for item in snapshot.scheduled_items
    ]


def _scheduled_item(item: ScheduledItemSnapshot, price: Price | None) -> dict[str, Any]:
    return {
        "price": price.pk if price else None,
        "product": price.product_id if price else None,
        "price_stripe_id": item.price_stripe_id,
        "quantity": item.quantity,
    }


def _discounts(
    account: StripeAccount, project_id: str, snapshot: SubscriptionSnapshot
) -> list[DiscountBody]:
    """Named by our coupons and codes, where these are of the project's catalog."""
    if not snapshot.discounts:
        return []
    coupons, codes = (
        named_coupons.ids_by_stripe_id(
            model, account=account, project_id=project_id, stripe_ids=named
        )
        for model, named in (
            (Coupon, [each.coupon_stripe_id for each in snapshot.discounts]),
            (PromotionCode, [each.promotion_code_stripe_id for each in snapshot.discounts]),
        )
    )
    return [
        {
            "coupon": coupons.get(each.coupon_stripe_id),
            "promotion_code": codes.get(each.promotion_code_stripe_id),
            "ends_at": rfc3339(each.ends_at),
            "stripe_id": each.stripe_id,
        }
        for each in snapshot.discounts
    ]


def _items(account: StripeAccount, row: Subscription, snapshot: SubscriptionSnapshot) -> Children:
    ours = [] if row._state.adding else list(row.items.all())
    known = prices_by_stripe_id(
        account=account,
        project_id=row.project_id,
        stripe_ids={item.price_stripe_id for item in snapshot.items},
    )
    return Children(
        name="items",
        rows={item.stripe_id: item for item in ours},
        wanted={
            item.stripe_id: {
                "stripe_id": item.stripe_id,
                "price_id": known.get(item.price_stripe_id),
                "price_stripe_id": item.price_stripe_id,
                "quantity": item.quantity,
                "period_start": item.period_start,
                "period_end": item.period_end,
            }
            for item in snapshot.items
        },
        new=lambda stripe_id: SubscriptionItem(project_id=row.project_id, subscription=row),
    )


def _gone(row: Subscription, at: datetime) -> Values:
    if row.has_ended:
        return {}
    return {
        "status": SubscriptionStatus.CANCELED.value,
        "canceled_at": row.canceled_at or at,
        "ended_at": row.ended_at or at,
    }


def _carry_out(planned: RowPlan[Subscription], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    row = planned.row
    row.customer = customer
    was_new = planned.is_new
    write_and_record(
        planned, customer=customer, render=representation.subscription, happened=_happened, at=at
    )
    if was_new:
        _adopt_invoices(row)
    access.follow_subscription(subscription=row, customer=customer, at=at)
    trials.tell_if_ending(subscription=row, customer=customer, at=at)


def _adopt_invoices(row: Subscription) -> None:
    """Invoices that came before their subscription."""
    Invoice.objects.for_project(row.project_id).filter(
        account_id=row.account_id,
        customer_id=row.customer_id,
        subscription_stripe_id=row.stripe_id,
        subscription__isnull=True,
    ).update(subscription=row)


def _happened(planned: RowPlan[Subscription], differences: Differences) -> Iterator[EventType]:
    """What the status says, else just a change; never two for one change. That a later period has
    begun is told when it is paid (``billing.access.renewals``)."""
    if planned.is_new:
        yield EventType.SUBSCRIPTION_CREATED
    moved = _moved(_standing(planned.row, differences, 0), _standing(planned.row, differences, 1))
    if moved is not None:
        yield moved
    elif not planned.is_new and _is_news(planned, differences):
        yield EventType.SUBSCRIPTION_UPDATED


def _is_news(planned: RowPlan[Subscription], differences: Differences) -> bool:
    """Whether there is more to tell than that a running subscription has entered a later period."""
    names = differences.keys() - UNSEEN
    is_later = any(_advanced(*each) for each in differences.items())
    if is_later and _standing(planned.row, differences, 1).status in ENTITLING:
        names = {name for name in names if not name.endswith(PERIOD)} - {"status"}
    return bool(names)


PERIOD = (".period_start", ".period_end")
"""How the differences of items are called that a later period makes."""


class _Standing(NamedTuple):
    status: str
    pause_behavior: str


def _standing(row: Subscription, differences: Differences, side: int) -> _Standing:
    """Before the change (0) or after it (1)."""

    def value(name: str) -> str:
        said: str = differences[name][side] if name in differences else getattr(row, name)
        return said

    return _Standing(value("status"), value("pause_behavior"))


def _moved(before: _Standing, after: _Standing) -> EventType | None:
    """The event that a change of status, or a pause, has of its own."""
    if before.status != after.status and after.status in ENDED:
        return EventType.SUBSCRIPTION_CANCELED
    if is_paused(*before) != is_paused(*after):
        paused = is_paused(*after)
        return EventType.SUBSCRIPTION_PAUSED if paused else EventType.SUBSCRIPTION_RESUMED
    if before.status != after.status and after.status == SubscriptionStatus.PAST_DUE:
        return EventType.SUBSCRIPTION_PAST_DUE
    return None


def _advanced(name: str, values: tuple[Any, Any]) -> bool:
    """Whether this difference is an item that entered a later period."""
    return name.endswith(".period_start") and values[1] > values[0]


MAPPER: Mapper[SubscriptionSnapshot, Subscription] = Mapper(
    model=Subscription, owner=_owner, plan=_plan, gone=_gone, carry_out=_carry_out
)

MIRRORED = Mirrored(
    ObjectKind.SUBSCRIPTION,
    stripe_subscriptions.retrieve,
    stripe_subscriptions.iterate,
    MAPPER,
    kinds.never,
)
