"""The version of a project's rules: its features and its free tier."""

from django.db import transaction
from django.db.models import F

from common.models import project_id_of
from entitlements.cache import service as cache
from entitlements.features.selectors import rules_version
from entitlements.models import Rules
from projects.models import Project


def bump(project: Project | str) -> int:
    """Raise the version of the project's rules and return it, in the transaction of the change.
    Cached decisions of older versions are invalidated on commit."""
    with transaction.atomic():
        locked = lock(project)
        Rules.objects.for_project(project).filter(pk=locked.pk).update(version=F("version") + 1)
        transaction.on_commit(
            lambda: cache.invalidate_rules(locked.project_id, version=locked.version + 1),
            robust=True,
        )
    return locked.version + 1


def lock(project: Project | str) -> Rules:
    """The project's rules, created if missing, locked until the transaction ends."""
    row = Rules(project_id=project_id_of(project))
    Rules.objects.for_project(project).bulk_create([row], ignore_conflicts=True)
    return rules_version.lock(project)
