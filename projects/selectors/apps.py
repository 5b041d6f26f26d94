"""The micro-apps of a project."""

from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import App, Project


def of(project: Project | str) -> ProjectQuerySet[App]:
    return App.objects.for_project(project)


def get(*, project: Project | str, app_id: str) -> App:
    """One of the project's apps; raises NotFound."""
    app = of(project).filter(pk=app_id).first()
    if app is None:
        raise NotFound
    return app


def lock(*, project_id: str, app_id: str) -> App:
    """The app's row, locked until the transaction ends."""
    return of(project_id).select_for_update().get(pk=app_id)
