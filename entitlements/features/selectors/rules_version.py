"""The version of a project's rules."""

from common.models import project_id_of
from common.prepared_queries import Parameter, PreparedValues
from entitlements.models import Rules
from projects.models import Project

_VERSION = PreparedValues(
    lambda: Rules.objects.for_project(Parameter("project_id")).values_list("version")
)


def read(project: Project | str) -> int:
    """Grows with every change of the project's features or free tier; 0 before the first."""
    rows = _VERSION.rows(project_id=project_id_of(project))
    return rows[0][0] if rows else 0


def lock(project: Project | str) -> Rules:
    """The project's rules, which must exist, locked until the transaction ends."""
    return Rules.objects.for_project(project).select_for_update().get()
