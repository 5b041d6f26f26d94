"""A customer's account of credits: made with the first grant, and when its balance is low."""

from datetime import datetime

from django.db import transaction

from entitlements.balances.selectors import credits
from entitlements.credits import credit_ledger
from entitlements.models import CreditAccount
from projects.customers import service as customers
from projects.models import Customer, Project


def ensure(customer: Customer) -> CreditAccount:
    """The customer's account, locked until the transaction ends; made now if need be."""
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
    """From now on the user's credits are low at so many; None for the usual part of what there
    was after the last top-up. Told at once when they are."""
    with transaction.atomic():
        customer = customers.ensure(project=project, user_id=user_id, at=at)
        account = ensure(customer)
        account.low_at = low_at
        account.save(update_fields=["low_at"])
        balance = credits.balance(project_id=project.pk, customer_id=customer.pk, at=at)
        if account.topped_up_to:
            credit_ledger.fell(account=account, balance=balance, at=at)
    return account
