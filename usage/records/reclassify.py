"""Take away what has moved, in order to look at it."""

from collections.abc import Sequence

from usage.models import Movement
from usage.records.selectors import movements


def take_these(found: Sequence[Movement]) -> list[Movement]:
    """These movements of one project, which are noted no more if the transaction commits.

    Who notes one of them again waits for that. Figures have to be read after this.
    """
    return _taken(movements.lock_these(found))


def take(*, project_id: str, customer_id: str, meter_id: str) -> list[Movement]:
    """As :func:`take_these`, the one of this customer and meter, if it is there."""
    return _taken(movements.lock(project_id=project_id, customer_id=customer_id, meter_id=meter_id))


def _taken(moved: list[Movement]) -> list[Movement]:
    keys = [each.pk for each in moved]
    Movement.objects.across_projects().filter(pk__in=keys).delete()
    return moved
