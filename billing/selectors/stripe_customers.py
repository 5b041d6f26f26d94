"""Which customer of a Stripe account a tenant's user is."""

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
