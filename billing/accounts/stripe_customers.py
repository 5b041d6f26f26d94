"""Create a customer in the Stripe account that the project sells through."""

from datetime import datetime

from billing.models import StripeAccount, StripeCustomer
from billing.outbound import intents
from billing.stripe import customers
from common.inserts import insert
from common.prepared_queries import Parameter, PreparedQuery
from projects.models import Customer

_LIVE = PreparedQuery(
    lambda: (
        StripeCustomer.objects.for_project(Parameter("project_id"))
        .filter(
            account=Parameter("account_id"),
            customer=Parameter("customer_id"),
            deleted_at__isnull=True,
        )
        .order_by("pk")
    )
)


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
    existing = _LIVE.first(
        project_id=customer.project_id, account_id=account.pk, customer_id=customer.pk
    )
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
