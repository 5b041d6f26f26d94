"""Events of customers at Stripe: deleted there, billing balance changed, delinquency began or
ended."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, TypedDict, cast

from billing.models import StripeCustomer
from common.bodies import MoneyBody, Time, UserId, money
from common.times import rfc3339
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer


class StripeCustomerBody(TypedDict):
    """A customer in one Stripe account."""

    id: str
    customer: Annotated[str, "Our id of the customer."]
    user_id: UserId
    stripe_id: str | None
    balance: Annotated[
        MoneyBody | None,
        "Billing balance for the next invoices; negative is a credit. Null before the first.",
    ]
    delinquent: Annotated[bool, "Whether the latest invoice charge failed."]
    deleted_at: Time | None


@contextmanager
def recorded(row: StripeCustomer, customer: Customer | None, *, at: datetime) -> Iterator[None]:
    """Record what happens inside to the row of a locked customer. An erased customer has none: the
    project has asked for the deletion."""
    if customer is None or customer.deleted_at is not None or row.stripe_id is None:
        yield
        return
    before = _state(row, customer)
    yield
    after = _state(row, customer)
    types = list(_event_types(before, after))
    if not types:
        return
    version = customers.raise_version(customer)
    previous = outbox.previous_values(_plain(before), _plain(after))
    for event_type in types:
        outbox.record(
            project_id=customer.project_id,
            event_type=event_type,
            subject=row.pk,
            customer_id=customer.pk,
            version=version,
            data=_plain(after),
            previous=previous,
            at=at,
        )


def _event_types(before: StripeCustomerBody, after: StripeCustomerBody) -> Iterator[EventType]:
    if before["deleted_at"] is None and after["deleted_at"] is not None:
        yield EventType.STRIPE_CUSTOMER_DELETED
    if _amount(before) != _amount(after):
        yield EventType.STRIPE_CUSTOMER_BALANCE_CHANGED
    if not before["delinquent"] and after["delinquent"]:
        yield EventType.STRIPE_CUSTOMER_DELINQUENT
    if before["delinquent"] and not after["delinquent"]:
        yield EventType.STRIPE_CUSTOMER_DELINQUENCY_ENDED


def _amount(state: StripeCustomerBody) -> int:
    return state["balance"]["amount"] if state["balance"] else 0


def _state(row: StripeCustomer, customer: Customer) -> StripeCustomerBody:
    return {
        "id": row.pk,
        "customer": customer.pk,
        "user_id": customer.user_id,
        "stripe_id": row.stripe_id,
        "balance": money(row.balance, row.currency) if row.currency else None,
        "delinquent": row.delinquent,
        "deleted_at": rfc3339(row.deleted_at),
    }


def _plain(state: StripeCustomerBody) -> Mapping[str, object]:
    return cast("Mapping[str, object]", state)
