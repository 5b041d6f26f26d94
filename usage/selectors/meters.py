"""The meters that a project has defined."""

from collections.abc import Collection

from django.db.models import QuerySet

from common.errors import NotFound
from projects.models import Project
from usage.models import Meter


def get(*, project: Project | str, code: str) -> Meter:
    """The meter with this code, archived or not; raises NotFound."""
    meter = Meter.objects.for_project(project).filter(code=code).first()
    if meter is None:
        raise NotFound("No meter with this code. GET /meters lists them.")
    return meter


def listing(*, project: Project | str, archived: bool | None = None) -> QuerySet[Meter]:
    """The project's meters: all, only the archived, or only the others."""
    rows = Meter.objects.for_project(project)
    return rows if archived is None else rows.filter(archived_at__isnull=not archived)


def find_many(*, project: Project | str, codes: Collection[str]) -> dict[str, Meter]:
    """By code, those of the meters that exist."""
    found = Meter.objects.for_project(project).filter(code__in=codes)
    return {meter.code: meter for meter in found}


def lock(*, project_id: str, meter_id: str) -> Meter:
    """The meter's row, locked until the transaction ends."""
    return Meter.objects.for_project(project_id).select_for_update().get(pk=meter_id)
