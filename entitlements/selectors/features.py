"""The features that a project has defined."""

from collections.abc import Collection

from django.db.models import QuerySet

from common.errors import NotFound
from entitlements.models import Feature
from projects.models import Project


def get(*, project: Project | str, code: str) -> Feature:
    """The feature with this code, archived or not; raises NotFound."""
    feature = Feature.objects.for_project(project).filter(code=code).first()
    if feature is None:
        raise NotFound("No feature with this code. GET /features lists them.")
    return feature


def listing(*, project: Project | str, archived: bool | None = None) -> QuerySet[Feature]:
    """The project's features: all, only the archived, or only the others."""
    rows = Feature.objects.for_project(project)
    return rows if archived is None else rows.filter(archived_at__isnull=not archived)


def find_many(*, project: Project | str, codes: Collection[str]) -> dict[str, Feature]:
    """By code, those of the features that exist."""
    found = Feature.objects.for_project(project).filter(code__in=codes)
    return {feature.code: feature for feature in found}


def lock(*, project_id: str, feature_id: str) -> Feature:
    """The feature's row, locked until the transaction ends."""
    return Feature.objects.for_project(project_id).select_for_update().get(pk=feature_id)


def kinds(*, project: Project | str, codes: Collection[str]) -> dict[str, str]:
    """Code to kind, of those codes that exist. Archived features still answer."""
    found = Feature.objects.for_project(project).filter(code__in=codes)
    return dict(found.values_list("code", "kind"))


def live_kinds(*, project: Project | str) -> dict[str, str]:
    """Code to kind, of every feature that is not archived."""
    found = Feature.objects.for_project(project).filter(archived_at__isnull=True)
    return dict(found.values_list("code", "kind"))
