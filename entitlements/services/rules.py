"""Say that what holds for everybody in a project has changed."""

from django.db import transaction
from django.db.models import F

from entitlements.models import Rules
from entitlements.selectors import rules
from projects.models import Project


def bump(project: Project | str) -> int:
    """Raise the version of the project's rules, so that answers made under older ones are none;
    returns it. In the transaction of the change."""
    with transaction.atomic():
        Rules.objects.for_project(project).bulk_create([_first(project)], ignore_conflicts=True)
        Rules.objects.for_project(project).update(version=F("version") + 1)
        return rules.version(project)


def _first(project: Project | str) -> Rules:
    return Rules(project_id=project if isinstance(project, str) else project.pk)
