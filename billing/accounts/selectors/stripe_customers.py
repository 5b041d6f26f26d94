"""Customers at Stripe of a tenant's users."""

from datetime import datetime

from billing.models import StripeAccount, StripeCustomer
from projects.models import Customer


def find_live(*, customer: Customer, account: StripeAccount) -> StripeCustomer | None:
    """The live row of the customer in this account; None if Stripe does not have it."""
    return (
        StripeCustomer.objects.for_project(customer.project_id)
        .filter(account=account, customer=customer, deleted_at__isnull=True)
        .exclude(stripe_id=None)
        .select_related("account")
        .first()
    )


def with_new_default_method(*, at: datetime, limit: int) -> list[StripeCustomer]:
    """Customers whose subscriptions have not yet got a new default payment method."""
    rows = StripeCustomer.objects.across_projects().filter(
        subscriptions_follow_at__lte=at, deleted_at__isnull=True
    )
    return list(rows.select_related("account").order_by("subscriptions_follow_at")[:limit])
