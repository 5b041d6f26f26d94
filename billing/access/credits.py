"""The credits that come with what was bought: mirrors in, grants of credits out, in the same
transaction.

Credits of one source never touch those of another. The caller holds the customer's lock.
"""

from collections.abc import Iterable
from datetime import datetime

from billing.access import period_credits, purchase_credits
from billing.access.policies import Left
from billing.access.purchase_credits import Draft
from billing.models import Checkout, CheckoutLine, Subscription
from entitlements.credits import credit_grants
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.models.credit_grant import CreditSource
from projects.models import Customer


def follow_subscription(*, subscription: Subscription, customer: Customer, at: datetime) -> None:
    """Make the credits from this subscription what its periods and their money come to."""
    period_credits.follow(subscription=subscription, customer=customer, at=at)


def follow_checkout(
    *,
    checkout: Checkout,
    given: Iterable[tuple[CheckoutLine, Left | None]],
    customer: Customer,
    at: datetime,
) -> None:
    """Give the credits of lines that are paid once and given for the first time, and let those
    given before follow what is left of their lines.

    How many a line gives is decided then: a later change of the product is none of it.
    """
    lines = list(given)
    purchase_credits.decide(lines, at=at)
    for draft in purchase_credits.plan([checkout], {checkout.pk: lines}, at=at)[checkout.pk]:
        if draft.grant is not None:
            credit_grants.revise(customer=customer, grant=draft.grant, terms=draft.terms, at=at)
        else:
            _give(checkout, draft, customer, at)


def _give(checkout: Checkout, draft: Draft, customer: Customer, at: datetime) -> None:
    priority = draft.line.credits_priority
    origin = CreditOrigin(
        source_type=CreditSource.CHECKOUT,
        source_id=checkout.pk,
        key=draft.line.pk,
        starts_at=draft.starts_at,
    )
    credit_grants.give(
        customer=customer,
        origin=origin,
        terms=draft.terms,
        priority=credit_grants.DEFAULT_PRIORITY if priority is None else priority,
        at=at,
    )
