"""Erase what people wrote about a customer's grants and credits; the ledger's amounts stay."""

import pgtrigger

from common.erasure import ERASED
from entitlements.models import CreditGrant, CreditTransaction, Grant
from projects.models import Customer


def erase_reasons(*, customer: Customer) -> None:
    """Replace the reasons of manual grants, revocations and credit movements of a locked
    customer."""
    for model in (Grant, CreditGrant):
        rows = model.objects.for_project(customer.project_id).filter(customer=customer)
        rows.exclude(reason="").update(reason=ERASED)
        rows.exclude(revoked_reason="").update(revoked_reason=ERASED)
    transactions = CreditTransaction.objects.for_project(customer.project_id).filter(
        customer=customer
    )
    with pgtrigger.ignore("entitlements.CreditTransaction:append_only"):
        transactions.exclude(reason="").update(reason=ERASED)


def ids_of_customer(customer: Customer) -> set[str]:
    """Ids of the customer's manual grants and credit grants: subjects of audit entries."""
    ids: set[str] = set()
    for model in (Grant, CreditGrant):
        rows = model.objects.for_project(customer.project_id).filter(customer=customer)
        ids |= {*rows.values_list("pk", flat=True)}
    return ids
