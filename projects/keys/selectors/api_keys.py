"""Find and lock the API keys of a project."""

from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import ApiKey, Project


def of(project: Project | str, *, app_id: str | None = None) -> ProjectQuerySet[ApiKey]:
    """The project's keys, or only those of one of its apps."""
    keys = ApiKey.objects.for_project(project)
    return keys if app_id is None else keys.filter(app_id=app_id)


def get(*, project: Project | str, key_id: str, app_id: str | None = None) -> ApiKey:
    """One key of the project or app; raises NotFound."""
    key = of(project, app_id=app_id).filter(pk=key_id).first()
    if key is None:
        raise NotFound
    return key


def lock(*, project_id: str, key_id: str) -> ApiKey:
    """The key's row, locked until the transaction ends."""
    return of(project_id).select_for_update().get(pk=key_id)
