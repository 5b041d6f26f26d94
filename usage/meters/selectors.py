"""The meters that a project has defined."""

from collections.abc import Collection

import orjson
from django.db.models import QuerySet

from common import prepared_statements
from common.errors import NotFound
from common.models import project_id_of
from projects.models import Project
from usage.models import Meter

FIELDS = (
    *("project_id", "id", "code", "name", "unit", "aggregation", "is_forwarded", "is_watched"),
    *("is_shared", "created_at", "archived_at"),
)
FIND_MANY = """
SELECT project_id, id, code, name, unit, aggregation, is_forwarded, is_watched,
    is_shared, created_at, archived_at
FROM usage_meter
WHERE project_id = %(project)s
  AND code = ANY (ARRAY(SELECT json_array_elements_text(%(codes)s::json)))
"""


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
    """The meters with these codes, by code. Called for every use, hence a prepared statement: it
    is planned once per connection."""
    project_id = project_id_of(project)
    parameters = {"project": project_id, "codes": orjson.dumps(list(codes)).decode()}
    rows = [
        dict(zip(FIELDS, row, strict=True))
        for row in prepared_statements.fetch_rows(FIND_MANY, parameters)
    ]
    names = [field.attname for field in Meter._meta.concrete_fields]
    meters = [Meter.from_db("default", names, [row[name] for name in names]) for row in rows]
    return {meter.code: meter for meter in meters}


def lock(*, project_id: str, meter_id: str) -> Meter:
    """The meter's row, locked until the transaction ends."""
    return Meter.objects.for_project(project_id).select_for_update().get(pk=meter_id)
