"""The steps of reconciliation passes."""

from collections.abc import Collection

from django.db.models import Q
from django.db.models.functions import Now

from billing.models import ReconcileRun, StripeAccount


def lock_due(*, purpose: str, accounts: Collection[StripeAccount]) -> list[ReconcileRun]:
    """Open steps of these accounts, and of no account, that nobody works on and that need not
    wait, by the database's clock. Locked until the transaction ends; those that another one has
    locked are left out."""
    of_these = Q(account__in=[each.pk for each in accounts]) | Q(account__isnull=True)
    rows = ReconcileRun.objects.filter(
        of_these,
        Q(leased_until__isnull=True) | Q(leased_until__lt=Now()),
        purpose=purpose,
        finished_at__isnull=True,
        next_try_at__lte=Now(),
    )
    locked = rows.select_related("account").select_for_update(skip_locked=True, of=("self",))
    return list(locked)
