"""What people wrote about a customer's grants and credits goes; the books of credits stay."""

import pgtrigger

from common.erasure import ERASED
from entitlements.models import CreditGrant, CreditTransaction, Grant
from projects.models import Customer


def forget(*, customer: Customer) -> None:
    """Take the reasons out of what was given to and taken from a locked customer by hand."""
    for model in (Grant, CreditGrant):
        rows = model.objects.for_project(customer.project_id).filter(customer=customer)
        rows.exclude(reason="").update(reason=ERASED)
        rows.exclude(revoked_reason="").update(revoked_reason=ERASED)
    moved = CreditTransaction.objects.for_project(customer.project_id).filter(customer=customer)
    with pgtrigger.ignore("entitlements.CreditTransaction:append_only"):
        moved.exclude(reason="").update(reason=ERASED)


def rows_of(customer: Customer) -> set[str]:
    """Ids of what was given by hand: audit entries are about them."""
    found: set[str] = set()
    for model in (Grant, CreditGrant):
        rows = model.objects.for_project(customer.project_id).filter(customer=customer)
        found |= {*rows.values_list("pk", flat=True)}
    return found
