"""The permission maps of projects."""

from common.models import project_id_of
from entitlements.facts.permission_notices import PermissionNames
from entitlements.models import PermissionMap
from projects.models import Project


def names_of(project: Project | str) -> PermissionNames:
    """The names of permissions by feature code; empty for a project without a map."""
    row = PermissionMap.objects.for_project(project).first()
    return row.permissions if row else {}


def lock(project: Project | str) -> PermissionMap:
    """The project's map, locked if it is stored. The caller holds the project's lock."""
    row = PermissionMap.objects.for_project(project).select_for_update().first()
    return row or PermissionMap(project_id=project_id_of(project))
