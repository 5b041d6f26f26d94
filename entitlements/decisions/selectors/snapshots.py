"""Snapshots of the last ``entitlements.changed`` event, and those that are due for another one."""

from collections.abc import Collection
from datetime import datetime

from common import fair_queue
from common.fair_queue import RetryRule
from common.prepared_queries import Parameter, PreparedQuery
from entitlements.models import Snapshot
from projects.models import Customer

_OF_CUSTOMER = PreparedQuery(
    lambda: Snapshot.objects.for_project(Parameter("project_id")).filter(
        customer_id=Parameter("customer_id")
    )
)


def of(customer: Customer) -> Snapshot | None:
    """The customer's snapshot; None before the first fact. Read it under the customer's lock."""
    return _OF_CUSTOMER.first(project_id=customer.project_id, customer_id=customer.pk)


def of_many(*, project_id: str, customer_ids: Collection[str]) -> dict[str, Snapshot]:
    """Snapshots by customer id; absent without one."""
    rows = Snapshot.objects.for_project(project_id).filter(customer_id__in=customer_ids)
    return {row.customer_id: row for row in rows}


def due(*, at: datetime, limit: int, rule: RetryRule) -> list[tuple[str, str]]:
    """(project id, customer id) of snapshots that time may have made outdated: projects take
    turns, oldest first, without those that wait for a retry by ``rule``."""
    rows = Snapshot.objects.across_projects().filter(
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="customer_id"),
        changes_at__lte=at,
    )
    due_rows = fair_queue.round_robin(
        rows, owner="project_id", order=("changes_at", "pk"), limit=limit
    )
    return [(row.project_id, row.customer_id) for row in due_rows]
