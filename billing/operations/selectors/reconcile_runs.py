"""The steps of reconciliation passes."""

from collections.abc import Collection

from django.db.models import Q
from django.db.models.functions import Now

from billing.models import ReconcileRun, StripeAccount
from common import lease


def lock_due(*, purpose: str, accounts: Collection[StripeAccount]) -> list[ReconcileRun]:
    """Lock the due steps without a lease: of these accounts, and those without an account.

    Locked until the transaction ends; rows that another transaction has locked are left out. Times
    are compared with the database's clock.
    """
    in_scope = Q(account__in=[account.pk for account in accounts]) | Q(account__isnull=True)
    rows = ReconcileRun.objects.filter(
        in_scope,
        lease.is_free(),
        purpose=purpose,
        finished_at__isnull=True,
        next_try_at__lte=Now(),
    )
    locked = rows.select_related("account").select_for_update(skip_locked=True, of=("self",))
    return list(locked)
