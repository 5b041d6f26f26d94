"""Credit accounts: created with the first grant; holds the low-balance threshold."""

from datetime import datetime

from django.db import transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_ledger
from entitlements.models import CreditAccount
from projects.customers import service as customers
from projects.models import Customer, Project


def ensure(customer: Customer) -> CreditAccount:
    """The customer's account, created if missing, locked until the transaction ends."""
    rows = CreditAccount.objects.for_project(customer.project_id)
    rows.bulk_create(
        [CreditAccount(project_id=customer.project_id, customer=customer)], ignore_conflicts=True
    )
    account = credits.lock(project_id=customer.project_id, customer_id=customer.pk)
    assert account is not None
    return account


def set_low_at(
    *, project: Project, user_id: str, low_at: int | None, at: datetime
) -> CreditAccount:
    """Set the low-balance threshold in credits; None for the default percentage of the last
    top-up. Records the event at once when the balance is below it."""
    with transaction.atomic():
        customer = customers.ensure(project=project, user_id=user_id, at=at)
        account = ensure(customer)
        account.low_at = low_at
        account.save(update_fields=["low_at"])
        balance = credits.balance(project_id=project.pk, customer_id=customer.pk, at=at)
        if account.topped_up_to:
            credit_ledger.notify_low(account=account, balance=balance, at=at)
    return account
