"""Claim movements: delete them in order to check what they report."""

from collections.abc import Sequence

from usage.models import Movement
from usage.records.selectors import movements


def claim_many(rows: Sequence[Movement]) -> list[Movement]:
    """Delete these movements of one project and return them.

    A concurrent count waits for the deletion and leaves a new movement. Read usage after this call.
    """
    return _delete(movements.lock_many(rows))


def claim(*, project_id: str, customer_id: str, meter_id: str) -> list[Movement]:
    """Delete the movement of this customer and meter; a list of one or none."""
    return _delete(
        movements.lock(project_id=project_id, customer_id=customer_id, meter_id=meter_id)
    )


def _delete(rows: list[Movement]) -> list[Movement]:
    keys = [row.pk for row in rows]
    Movement.objects.across_projects().filter(pk__in=keys).delete()
    return rows
