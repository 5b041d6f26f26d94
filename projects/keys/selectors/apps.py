"""The micro-apps of a project."""

from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import App, Project


def of(project: Project | str, *, app_id: str | None = None) -> ProjectQuerySet[App]:
    """The project's apps, or only this one of them."""
    apps = App.objects.for_project(project)
    return apps if app_id is None else apps.filter(pk=app_id)


def get(*, project: Project | str, app_id: str, within: str | None = None) -> App:
    """One of the project's apps; with ``within``, only if it is that one. Raises NotFound."""
    app = of(project, app_id=within).filter(pk=app_id).first()
    if app is None:
        raise NotFound
    return app


def lock(*, project_id: str, app_id: str) -> App:
    """The app's row, locked until the transaction ends."""
    return of(project_id).select_for_update().get(pk=app_id)
