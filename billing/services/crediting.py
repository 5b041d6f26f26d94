"""The credits that come with what was bought: mirrors in, grants of credits out, in the same
transaction.

Credits of one source never touch those of another. The caller holds the customer's lock.
"""

from collections.abc import Iterable
from datetime import datetime

from billing import credit_terms
from billing.models import Checkout, CheckoutLine, Subscription
from billing.policies import Left
from billing.services import period_credits
from entitlements.models.credit_grant import CreditSource
from entitlements.selectors import credits
from entitlements.services import credit_grants
from entitlements.services.credit_grants import Origin, Terms
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
    held = {
        grant.key: grant
        for grant in credits.grants_of(
            project=customer.project_id,
            source_type=CreditSource.CHECKOUT,
            source_id=checkout.pk,
        )
    }
    for line, left in given:
        if grant := held.get(line.pk):
            terms = credit_terms.after(credit_grants.terms_of(grant), left)
            credit_grants.revise(customer=customer, grant=grant, terms=terms, at=at)
        elif _is_new(line, left, at) and not line.price.is_recurring:
            _give(checkout, line, left, customer, at)


def _is_new(line: CheckoutLine, left: Left | None, at: datetime) -> bool:
    """Whether it is given for the first time, by whatever happens now."""
    return line.fulfilled_at == at or (line.fulfilled_at is None and left is not None)


def _give(
    checkout: Checkout, line: CheckoutLine, left: Left | None, customer: Customer, at: datetime
) -> None:
    product, starts_at = line.price.product, checkout.completed_at or at
    if not product.credits_amount:
        return
    terms = Terms(
        amount=product.credits_amount * line.quantity,
        due=0,
        expires_at=credit_terms.expiry(starts_at, days=product.credits_expire_after_days),
        product_id=product.pk,
        quantity=line.quantity,
    )
    origin = Origin(
        source_type=CreditSource.CHECKOUT,
        source_id=checkout.pk,
        key=line.pk,
        starts_at=starts_at,
    )
    credit_grants.give(
        customer=customer,
        origin=origin,
        terms=credit_terms.after(terms, left),
        priority=product.credits_priority,
        at=at,
    )
