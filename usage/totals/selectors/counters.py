"""Counters as they are; ``lock`` before one is rolled, made or changed."""

from usage.models import Counter


def lock(
    *, project_id: str, customer_id: str, meter_id: str, period: str | None = None
) -> list[Counter]:
    """The counters of this customer and meter, or the one of this period, locked in the order in
    which everybody locks them until the transaction ends."""
    rows = Counter.objects.for_project(project_id).filter(
        customer_id=customer_id, meter_id=meter_id
    )
    if period is not None:
        rows = rows.filter(period=period)
    return list(rows.select_for_update().order_by("period"))
