"""Grant and revise the credits of subscriptions and purchases, in the transaction that applies
the mirror.

Credits of one source never change those of another. The caller holds the customer's lock.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from billing.access import period_credits, purchase_credits
from billing.access.policies import RemainingAccess
from billing.access.purchase_credits import PurchaseGrantDraft
from billing.models import Checkout, CheckoutLine, Subscription, SubscriptionItem
from entitlements.credits import credit_grants
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.models.credit_grant import CreditSource
from projects.models import Customer


def follow_subscription(
    *,
    subscription: Subscription,
    customer: Customer,
    at: datetime,
    items: Sequence[SubscriptionItem] | None = None,
) -> None:
    """Update the credits of this subscription from its periods and their payments. ``items`` as in
    :func:`billing.access.period_credits.apply`."""
    period_credits.apply(subscription=subscription, customer=customer, at=at, items=items)


def follow_checkout(
    *,
    checkout: Checkout,
    line_access: Iterable[tuple[CheckoutLine, RemainingAccess | None]],
    customer: Customer,
    at: datetime,
) -> None:
    """Grant the credits of one-time lines that are fulfilled now, and revise those granted before
    after refunds and disputes of their lines.

    The amount is fixed when a line is fulfilled; a later change of the product does not matter.
    """
    lines = list(line_access)
    purchase_credits.record_amounts(lines, at=at)
    for draft in purchase_credits.plan([checkout], {checkout.pk: lines}, at=at)[checkout.pk]:
        if draft.grant is not None:
            credit_grants.revise(customer=customer, grant=draft.grant, terms=draft.terms, at=at)
        else:
            _grant(checkout, draft, customer, at)


def _grant(checkout: Checkout, draft: PurchaseGrantDraft, customer: Customer, at: datetime) -> None:
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
