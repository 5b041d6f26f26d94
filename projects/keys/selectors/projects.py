"""Tenants, as a caller may see them: the platform every one, a project itself."""

from django.db.models import Q, QuerySet

from common.errors import NotFound
from common.ids import is_id
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.models import Project


def visible_to(caller: ProjectCredential | PlatformCredential) -> QuerySet[Project]:
    if isinstance(caller, ProjectCredential):
        return Project.objects.filter(pk=caller.project.pk)
    return Project.objects.all()


def get(*, caller: ProjectCredential | PlatformCredential, project_id: str) -> Project:
    """The project, when the caller may see it; raises NotFound."""
    project = visible_to(caller).filter(pk=project_id).first()
    if project is None:
        raise NotFound
    return project


def get_by_id_or_slug(name: str) -> Project:
    """The project with this id or slug, for operators; raises NotFound."""
    project = Project.objects.filter(Q(pk=name) | Q(slug=name)).first()
    if project is None:
        raise NotFound(f"No project has the id or slug {name!r}.")
    return project


def get_with_public_plans(project_id: str) -> Project:
    """The active project with this id whose plans everybody may read; raises NotFound."""
    rows = Project.objects.filter(suspended_at__isnull=True, public_plans=True)
    project = rows.filter(pk=project_id).first() if is_id(project_id, "prj") else None
    if project is None:
        raise NotFound("No project with this id shows its plans to everybody.")
    return project


def is_origin_of(origin: str, *, project_id: str) -> bool:
    """Whether this origin is a return origin of the project, and the project is active."""
    return _with_origin(origin).filter(pk=project_id).exists()


def _with_origin(origin: str) -> QuerySet[Project]:
    if not origin.isprintable():
        return Project.objects.none()
    return Project.objects.filter(return_origins__contains=[origin], suspended_at__isnull=True)


def lock(*, project_id: str) -> Project:
    """The project's row, locked until the transaction ends: taken before a customer's."""
    return Project.objects.select_for_update().get(pk=project_id)
