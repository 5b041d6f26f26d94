"""A tenant's user as a customer of the Stripe account that the project sells through."""

from datetime import datetime

from billing.models import StripeAccount, StripeCustomer
from billing.outbound import intents
from billing.stripe import customers
from common.inserts import insert
from projects.models import Customer


def ensure(*, customer: Customer, account: StripeAccount, at: datetime) -> StripeCustomer:
    """The customer's row in this account, known to Stripe; made if need be, and only once.

    Raises StripeUnavailable; calling again then finishes what was begun.
    """
    row = _row(customer, account)
    if row.stripe_id:
        return row
    intents.make(
        row,
        operation="customer.create",
        params=customers.new(email=row.email, name=row.name, metadata=customer.metadata),
        at=at,
    )
    return row


def _row(customer: Customer, account: StripeAccount) -> StripeCustomer:
    """The live row, made first when there is none; parallel calls get the same one."""
    rows = StripeCustomer.objects.for_project(customer.project_id).filter(
        account=account, customer=customer, deleted_at__isnull=True
    )
    found = rows.first()
    if found is not None:
        return found
    row = StripeCustomer(
        project_id=customer.project_id,
        account=account,
        customer=customer,
        email=customer.email,
        name=customer.name,
    )
    return row if insert(row) else rows.get()
