"""Customers at Stripe of a tenant's users."""

from datetime import datetime

from django.db.models import F, QuerySet

from billing.models import StripeAccount, StripeCustomer
from common.prepared_queries import Parameter, PreparedQuery
from projects.models import Customer


def _of_customer() -> QuerySet[StripeCustomer]:
    return StripeCustomer.objects.for_project(Parameter("project_id")).filter(
        account_id=Parameter("account_id"), customer_id=Parameter("customer_id")
    )


_LIVE = PreparedQuery(lambda: _of_customer().filter(deleted_at__isnull=True).order_by("pk"))
_LATEST_AT_STRIPE = PreparedQuery(
    lambda: (
        _of_customer()
        .filter(stripe_id__isnull=False)
        .order_by(F("deleted_at").asc(nulls_first=True), "-pk")[:1]
    )
)


def find_row(*, customer: Customer, account: StripeAccount) -> StripeCustomer | None:
    """The row of the customer in this account that is not deleted; it has no ``stripe_id`` until
    Stripe has created the customer."""
    return _LIVE.first(
        project_id=customer.project_id, account_id=account.pk, customer_id=customer.pk
    )


def find_live(*, customer: Customer, account: StripeAccount) -> StripeCustomer | None:
    """The live row of the customer in this account; None if Stripe does not have it."""
    row = find_row(customer=customer, account=account)
    if row is None or row.stripe_id is None:
        return None
    row.account = account
    return row


def find_latest(*, project_id: str, account_id: str, customer_id: str) -> StripeCustomer | None:
    """The live row that Stripe has, else the one that was deleted last."""
    return _LATEST_AT_STRIPE.first(
        project_id=project_id, account_id=account_id, customer_id=customer_id
    )


def with_new_default_method(*, at: datetime, limit: int) -> list[StripeCustomer]:
    """Customers whose subscriptions have not yet got a new default payment method."""
    rows = StripeCustomer.objects.across_projects().filter(
        subscriptions_follow_at__lte=at, deleted_at__isnull=True
    )
    return list(rows.select_related("account").order_by("subscriptions_follow_at")[:limit])
