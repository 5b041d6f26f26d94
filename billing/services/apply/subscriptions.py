"""Subscriptions with their items, and the access that follows from them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from billing import representation
from billing.models import Invoice, Price, StripeAccount, Subscription, SubscriptionItem
from billing.models.subscription import ENDED, ENTITLING, SubscriptionStatus
from billing.selectors import owners
from billing.selectors.owners import Owner
from billing.services import provisioning
from billing.services.apply.announce import write_and_tell
from billing.services.apply.mapper import Mapper
from billing.services.apply.plan import Children, Differences, Plan, Values
from billing.stripe.snapshots import SubscriptionSnapshot
from events.catalog import EventType
from projects.models import Customer


def _owner(account: StripeAccount, snapshot: SubscriptionSnapshot) -> Owner | None:
    return owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)


def _plan(
    account: StripeAccount, owner: Owner, snapshot: SubscriptionSnapshot
) -> Plan[Subscription]:
    row = (
        Subscription.objects.for_project(owner.project_id)
        .filter(account=account, stripe_id=snapshot.stripe_id)
        .first()
    ) or Subscription(project_id=owner.project_id, account=account)
    return Plan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "customer_id": owner.customer_id,
            "status": snapshot.status,
            "started_at": snapshot.started_at,
            "trial_ends_at": snapshot.trial_ends_at,
            "cancel_at": snapshot.cancel_at,
            "canceled_at": snapshot.canceled_at,
            "ended_at": snapshot.ended_at,
            "latest_invoice_stripe_id": snapshot.latest_invoice_stripe_id or "",
            "metadata": snapshot.metadata,
        },
        children=(_items(account, row, snapshot),),
    )


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


def prices_by_stripe_id(
    *, account: StripeAccount, project_id: str, stripe_ids: set[str]
) -> dict[str | None, str]:
    """Our prices among these; one that is not in the project's catalog is left out."""
    found = Price.objects.for_project(project_id).filter(account=account, stripe_id__in=stripe_ids)
    return dict(found.values_list("stripe_id", "pk"))


def _gone(row: Subscription, at: datetime) -> Values:
    if row.has_ended:
        return {}
    return {
        "status": SubscriptionStatus.CANCELED.value,
        "canceled_at": row.canceled_at or at,
        "ended_at": row.ended_at or at,
    }


def _carry_out(planned: Plan[Subscription], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    row = planned.row
    row.customer = customer
    was_new = planned.is_new
    write_and_tell(
        planned, customer=customer, render=representation.subscription, happened=_happened, at=at
    )
    if was_new:
        _adopt_invoices(row)
    provisioning.follow_subscription(subscription=row, customer=customer, at=at)


def _adopt_invoices(row: Subscription) -> None:
    """Invoices that came before their subscription."""
    Invoice.objects.for_project(row.project_id).filter(
        account_id=row.account_id,
        customer_id=row.customer_id,
        subscription_stripe_id=row.stripe_id,
        subscription__isnull=True,
    ).update(subscription=row)


def _happened(planned: Plan[Subscription], differences: Differences) -> Iterator[EventType]:
    """What the status says, else a renewal, else just a change; never two for one change."""
    if planned.is_new:
        yield EventType.SUBSCRIPTION_CREATED
    before, after = differences.get("status", (planned.row.status, planned.row.status))
    moved = _moved(before, after) if before != after else None
    if moved is not None:
        yield moved
    elif planned.is_new:
        return
    elif after in ENTITLING and any(_advanced(*each) for each in differences.items()):
        yield EventType.SUBSCRIPTION_RENEWED
    else:
        yield EventType.SUBSCRIPTION_UPDATED


def _moved(before: str, after: str) -> EventType | None:
    """The event that a change of status has of its own."""
    if after in ENDED:
        return EventType.SUBSCRIPTION_CANCELED
    if after == SubscriptionStatus.PAST_DUE:
        return EventType.SUBSCRIPTION_PAST_DUE
    if after == SubscriptionStatus.PAUSED:
        return EventType.SUBSCRIPTION_PAUSED
    if before == SubscriptionStatus.PAUSED:
        return EventType.SUBSCRIPTION_RESUMED
    return None


def _advanced(name: str, values: tuple[Any, Any]) -> bool:
    """Whether this difference is an item that entered a later period."""
    return name.endswith(".period_start") and values[1] > values[0]


MAPPER: Mapper[SubscriptionSnapshot, Subscription] = Mapper(
    model=Subscription, owner=_owner, plan=_plan, gone=_gone, carry_out=_carry_out
)
