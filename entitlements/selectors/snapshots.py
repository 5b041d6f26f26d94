"""What was told last, and to whom it has to be told again."""

from collections.abc import Collection
from datetime import datetime

from entitlements.models import Snapshot
from projects.models import Customer


def of(customer: Customer) -> Snapshot | None:
    """The customer's snapshot; None before the first fact. Read it under the customer's lock."""
    return Snapshot.objects.for_project(customer.project_id).filter(customer_id=customer.pk).first()


def of_many(*, project_id: str, customer_ids: Collection[str]) -> dict[str, Snapshot]:
    """By customer, those that there are."""
    rows = Snapshot.objects.for_project(project_id).filter(customer_id__in=customer_ids)
    return {row.customer_id: row for row in rows}


def due(*, at: datetime, limit: int) -> list[tuple[str, str]]:
    """(project id, customer id) of those whose told state time has made doubtful, oldest first."""
    rows = Snapshot.objects.across_projects().filter(changes_at__lte=at)
    return list(rows.order_by("changes_at").values_list("project_id", "customer_id")[:limit])
