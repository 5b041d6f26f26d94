"""Counters; ``lock`` before one is created, rolled or changed."""

from usage.models import Counter


def lock(
    *, project_id: str, customer_id: str, meter_id: str, period: str | None = None
) -> list[Counter]:
    """The counters of this customer and meter, or the one of this period, locked until the
    transaction ends, in the order that all callers use."""
    rows = Counter.objects.for_project(project_id).filter(
        customer_id=customer_id, meter_id=meter_id
    )
    if period is not None:
        rows = rows.filter(period=period)
    return list(rows.select_for_update().order_by("period"))
