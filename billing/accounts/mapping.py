"""Customers at Stripe: their rows decide the owner of all objects of that customer."""

from dataclasses import replace
from datetime import datetime

from billing.accounts import customer_events
from billing.models import StripeAccount, StripeCustomer, Subscription, SyncObject
from billing.models.subscription import ENDED
from billing.models.sync_object import ObjectKind
from billing.stripe import customers as stripe_customers
from billing.stripe.meters import LONGEST_PAST
from billing.stripe.snapshots import CustomerSnapshot
from billing.sync import kinds, sync_queue
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from common.queue import enqueue
from projects.customers import service as customers
from projects.models import Customer
from usage.reporting import forwarding


def _row(account: StripeAccount, snapshot: CustomerSnapshot) -> StripeCustomer | None:
    return owners.claimed_row(
        StripeCustomer, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )


def _owner(account: StripeAccount, snapshot: CustomerSnapshot) -> Owner | None:
    row = _row(account, snapshot)
    return Owner(row.project_id, row.customer_id) if row is not None else None


def _plan(
    account: StripeAccount, owner: Owner, snapshot: CustomerSnapshot
) -> RowPlan[StripeCustomer]:
    row = _row(account, snapshot)
    assert row is not None
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "email": snapshot.email,
            "name": snapshot.name,
            "currency": snapshot.currency,
            "balance": snapshot.balance,
            "delinquent": snapshot.delinquent,
            "default_method": snapshot.default_method,
            "deleted_at": None,
        },
    )


def _gone(row: StripeCustomer, at: datetime) -> Values:
    return {
        "deleted_at": row.deleted_at or at,
        "email": "",
        "name": "",
    }


def _carry_out(planned: RowPlan[StripeCustomer], customer: Customer | None, at: datetime) -> None:
    """Write the row and start the work that depends on it: a sync of foreign objects of a new
    customer, the report of earlier usage, a sync of the subscriptions of a deleted customer (Stripe
    ends them), and the change of subscriptions to a new default payment method."""
    row = planned.row
    before, after = row.default_method, planned.values.get("default_method")
    if before is not None and after and after != before:
        planned = replace(planned, values={**planned.values, "subscriptions_follow_at": at})
        enqueue("billing.follow_default_methods")
    with customer_events.recorded(row, customer, at=at):
        planned.write(at=at)
    if row.deleted_at is not None:
        _request_sync_of_subscriptions(row)
    elif row.stripe_id:
        _adopt_typed_details(row, customer, at)
        _request_sync_of_foreign(row.account_id, row.stripe_id)
        forwarding.release_waiting(
            project_id=row.project_id,
            customer_id=row.customer_id,
            since=at - LONGEST_PAST,
            at=at,
        )


def _adopt_typed_details(row: StripeCustomer, customer: Customer | None, at: datetime) -> None:
    """Take over email and name that the buyer typed at Stripe, where the project has none.

    Nothing is taken over while a change by the project still has to reach Stripe.
    """
    if customer is None or customer.deleted_at or customer.details_changed_at:
        return
    typed = {"email": row.email, "name": row.name}
    missing = {name: text for name, text in typed.items() if text and not getattr(customer, name)}
    if "email" in missing:
        customers.update(customer=customer, changes=missing, at=at)


def _request_sync_of_foreign(account_id: str, stripe_id: str) -> None:
    sync_queue.request_syncs(
        SyncObject.objects.filter(
            account_id=account_id, foreign_customer=stripe_id, foreign_at__isnull=False
        )
    )


def _request_sync_of_subscriptions(row: StripeCustomer) -> None:
    running = (
        Subscription.objects.for_project(row.project_id)
        .filter(account_id=row.account_id, customer_id=row.customer_id)
        .exclude(status__in=ENDED)
        .values_list("stripe_id", flat=True)
    )
    for stripe_id in filter(None, running):
        sync_queue.request_sync(
            account_id=row.account_id, kind=ObjectKind.SUBSCRIPTION, stripe_id=stripe_id
        )
        enqueue("billing.sync")


MAPPER: Mapper[CustomerSnapshot, StripeCustomer] = Mapper(
    model=StripeCustomer, owner=_owner, plan=_plan, gone=_gone, carry_out=_carry_out
)

MIRRORED = Mirrored(
    ObjectKind.CUSTOMER,
    stripe_customers.retrieve,
    stripe_customers.iterate,
    MAPPER,
    kinds.never,
)
