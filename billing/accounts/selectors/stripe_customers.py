"""Which customer of a Stripe account a tenant's user is."""

from datetime import datetime

from billing.models import StripeAccount, StripeCustomer
from projects.models import Customer


def known(*, customer: Customer, account: StripeAccount) -> StripeCustomer | None:
    """The live row of a user whom Stripe knows in this account."""
    return (
        StripeCustomer.objects.for_project(customer.project_id)
        .filter(account=account, customer=customer, deleted_at__isnull=True)
        .exclude(stripe_id=None)
        .select_related("account")
        .first()
    )


def default_to_follow(*, at: datetime, limit: int) -> list[StripeCustomer]:
    """Customers whose subscriptions have still to be told of a new default payment method."""
    rows = StripeCustomer.objects.across_projects().filter(
        subscriptions_follow_at__lte=at, deleted_at__isnull=True
    )
    return list(rows.select_related("account").order_by("subscriptions_follow_at")[:limit])
