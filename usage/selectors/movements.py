"""What has moved; whoever looks at it locks it, so two never look at the same at once.

A row that somebody is writing or looking at is passed over: it will be there again, or is seen to.
"""

from usage.models import Movement


def lock_oldest(*, limit: int) -> list[Movement]:
    """The oldest movements of any project, with project and customer."""
    rows = Movement.objects.across_projects().select_related("project", "customer")
    return list(rows.order_by("moved_at").select_for_update(skip_locked=True, of=("self",))[:limit])


def lock(*, project_id: str, customer_id: str, meter_id: str) -> list[Movement]:
    """The movement of this customer and meter, as a list of one or none."""
    rows = Movement.objects.for_project(project_id).select_related("project", "customer")
    mine = rows.filter(customer_id=customer_id, meter_id=meter_id)
    return list(mine.select_for_update(skip_locked=True, of=("self",)))
