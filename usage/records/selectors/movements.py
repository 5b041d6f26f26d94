"""What has moved; whoever looks at it locks it, so two never look at the same at once.

A row that somebody is writing or looking at is passed over: it will be there again, or is seen to.
"""

from collections.abc import Sequence

from django.db.models import Value

from common import fair_queue
from common.fair_queue import RetryRule
from usage.models import Movement


def oldest(*, limit: int, rule: RetryRule) -> list[Movement]:
    """Movements by turns of their projects, the oldest first, without those that wait by ``rule``:
    a project (empty subject), or a customer of it."""
    rows = Movement.objects.across_projects().filter(
        ~fair_queue.is_backing_off(rule, owner="project_id", subject=Value("")),
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="customer_id"),
    )
    return fair_queue.round_robin(rows, owner="project_id", order=("moved_at",), limit=limit)


def lock_these(found: Sequence[Movement]) -> list[Movement]:
    """These movements with project and customer, as far as they are there and nobody has them."""
    if not found:
        return []
    rows = Movement.objects.for_project(found[0].project_id).select_related("project", "customer")
    mine = rows.filter(pk__in=[each.pk for each in found])
    return list(mine.select_for_update(skip_locked=True, of=("self",)))


def lock(*, project_id: str, customer_id: str, meter_id: str) -> list[Movement]:
    """The movement of this customer and meter, as a list of one or none."""
    rows = Movement.objects.for_project(project_id).select_related("project", "customer")
    mine = rows.filter(customer_id=customer_id, meter_id=meter_id)
    return list(mine.select_for_update(skip_locked=True, of=("self",)))
