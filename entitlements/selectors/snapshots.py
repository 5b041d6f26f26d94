"""What was told last, and to whom it has to be told again."""

from datetime import datetime

from entitlements.models import Snapshot
from projects.models import Customer


def of(customer: Customer) -> Snapshot | None:
    """The customer's snapshot; None before the first fact. Read it under the customer's lock."""
    return Snapshot.objects.for_project(customer.project_id).filter(customer_id=customer.pk).first()


def due(*, at: datetime, limit: int) -> list[tuple[str, str]]:
    """(project id, customer id) of those whose told state time has made doubtful, oldest first."""
    rows = Snapshot.objects.across_projects().filter(changes_at__lte=at)
    return list(rows.order_by("changes_at").values_list("project_id", "customer_id")[:limit])
