"""End the pauses of retries, which follow the database's clock that no test moves."""

from django.db.models.functions import Now

from common.models import BackOff


def end_pauses(**filters: object) -> int:
    """Make waiting rows due now; parked ones stay parked. Return how many waited."""
    rows = BackOff.objects.filter(retry_at__gt=Now(), **filters)
    return rows.update(retry_at=Now())
