"""Movements: usage that changed and whose limits are not checked yet.

A row that another transaction writes or checks is skipped: it stays, or is taken care of.
"""

from collections.abc import Sequence

from django.db.models import Value

from common import fair_queue
from common.fair_queue import RetryRule
from usage.models import Movement


def oldest(*, limit: int, rule: RetryRule) -> list[Movement]:
    """Movements: projects take turns, oldest first, without projects (empty subject) and
    customers that wait for a retry by ``rule``."""
    rows = Movement.objects.across_projects().filter(
        ~fair_queue.is_backing_off(rule, owner="project_id", subject=Value("")),
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="customer_id"),
    )
    return fair_queue.round_robin(rows, owner="project_id", order=("moved_at",), limit=limit)


def lock_many(movements: Sequence[Movement]) -> list[Movement]:
    """Those of these movements that are still there and not locked, with project and customer,
    locked."""
    if not movements:
        return []
    rows = Movement.objects.for_project(movements[0].project_id).select_related(
        "project", "customer"
    )
    locked = rows.filter(pk__in=[movement.pk for movement in movements])
    return list(locked.select_for_update(skip_locked=True, of=("self",)))


def lock(*, project_id: str, customer_id: str, meter_id: str) -> list[Movement]:
    """The movement of this customer and meter, locked; a list of one or none."""
    rows = Movement.objects.for_project(project_id).select_related("project", "customer")
    locked = rows.filter(customer_id=customer_id, meter_id=meter_id)
    return list(locked.select_for_update(skip_locked=True, of=("self",)))
