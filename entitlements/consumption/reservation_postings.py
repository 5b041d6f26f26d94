"""Post the units or credits of a reservation that ends."""

from datetime import datetime

from django.db import transaction

from entitlements.credits import service as credits
from entitlements.models import Reservation
from entitlements.notices import thresholds
from usage.periods import Period
from usage.totals import cache, counting
from usage.totals.counting import CountRequest


def post(row: Reservation, *, used: int, at: datetime) -> None:
    """Count or spend the used units and release the others. The row must be locked."""
    if row.credits:
        credits.post_reserved(
            project_id=row.project_id,
            customer_id=row.customer_id,
            reference=row.pk,
            amount=row.credits // row.amount * used,
            at=at,
            feature=row.feature.code,
        )
    elif row.period:
        _post_units(row, used, at)
    names = {row.customer_id, row.customer.user_id}
    project_id = row.project_id
    transaction.on_commit(lambda: cache.forget(project_id=project_id, names=names), robust=True)


def _post_units(row: Reservation, used: int, at: datetime) -> None:
    assert row.feature.meter_id is not None
    request = CountRequest(
        row.project_id,
        row.customer_id,
        row.feature.meter_id,
        Period.from_text(row.period),
        row.amount,
    )
    if not used:
        counting.release(request)
        return
    counting.apply_count(request._replace(amount=used), reserved=row.amount, key=row.pk, at=at)
    thresholds.notify_or_wake(
        project_id=row.project_id,
        customer_id=row.customer_id,
        meter_id=row.feature.meter_id,
        at=at,
        now=True,
    )
