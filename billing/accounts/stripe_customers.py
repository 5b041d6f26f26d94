"""Create a customer in the Stripe account that the project sells through."""

from datetime import datetime

from billing.accounts.selectors import stripe_customers
from billing.models import StripeAccount, StripeCustomer
from billing.outbound import intents
from billing.stripe import customers
from common.inserts import insert
from projects.models import Customer


def ensure(*, customer: Customer, account: StripeAccount, at: datetime) -> StripeCustomer:
    """The customer's row in this account; created here and at Stripe if needed, and only once.

    Raises StripeUnavailable; then the same call resumes the work.
    """
    row = _row(customer, account)
    if row.stripe_id:
        return row
    intents.create_object(
        row,
        operation="customer.create",
        params=customers.new(email=row.email, name=row.name, metadata=customer.metadata),
        at=at,
    )
    return row


def _row(customer: Customer, account: StripeAccount) -> StripeCustomer:
    """The live row, created if there is none; parallel calls get the same row."""
    existing = stripe_customers.find_row(customer=customer, account=account)
    if existing is not None:
        return existing
    row = StripeCustomer(
        project_id=customer.project_id,
        account=account,
        customer=customer,
        email=customer.email,
        name=customer.name,
    )
    if insert(row):
        return row
    rows = StripeCustomer.objects.for_project(customer.project_id)
    return rows.get(account=account, customer=customer, deleted_at__isnull=True)
