"""The version of a project's rules."""

from entitlements.models import Rules
from projects.models import Project


def read(project: Project | str) -> int:
    """Grows with every change of the project's features or free tier; 0 before the first."""
    version_number = Rules.objects.for_project(project).values_list("version", flat=True).first()
    return version_number or 0


def lock(project: Project | str) -> Rules:
    """The project's rules, which must exist, locked until the transaction ends."""
    return Rules.objects.for_project(project).select_for_update().get()
