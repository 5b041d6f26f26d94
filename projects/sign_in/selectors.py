"""Sign-in settings of projects."""

from collections.abc import Collection

from projects.models import JwtSettings, Project


def of(project: Project) -> JwtSettings | None:
    return JwtSettings.objects.for_project(project).first()


def of_many(project_ids: Collection[str]) -> dict[str, JwtSettings]:
    """Settings by project id, where there are any; one query."""
    rows = JwtSettings.objects.across_projects().filter(project_id__in=project_ids)
    return {row.project_id: row for row in rows}


def accepting(project_id: str) -> JwtSettings | None:
    """The settings of a project that is not suspended, with the project; one query."""
    return (
        JwtSettings.objects.for_project(project_id)
        .select_related("project")
        .filter(project__suspended_at__isnull=True)
        .first()
    )
