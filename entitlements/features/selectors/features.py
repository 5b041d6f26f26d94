"""The features that a project has defined."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Q, QuerySet

from common.errors import NotFound
from common.models import project_id_of
from common.prepared_queries import Parameter, PreparedQuery, is_any
from entitlements.models import Feature
from entitlements.resolution.facts import FeatureDefinition
from projects.models import Project
from usage.periods import Unit

_LIVE = PreparedQuery(
    lambda: Feature.objects.for_project(Parameter("project_id")).filter(archived_at__isnull=True)
)
_OF_CODE = PreparedQuery(
    lambda: Feature.objects.for_project(Parameter("project_id")).filter(code=Parameter("code")),
    related=["meter"],
)
_OF_CODES = PreparedQuery(
    lambda: Feature.objects.for_project(Parameter("project_id")).filter(is_any("code", "codes"))
)


def get(*, project: Project | str, code: str) -> Feature:
    """The feature with this code, archived or not; raises NotFound."""
    feature = _OF_CODE.first(project_id=project_id_of(project), code=code)
    if feature is None:
        raise NotFound("No feature with this code. GET /features lists them.")
    return feature


def listing(*, project: Project | str, archived: bool | None = None) -> QuerySet[Feature]:
    """The project's features: all, only the archived, or only the others. With their meters."""
    rows = Feature.objects.for_project(project).select_related("meter")
    return rows if archived is None else rows.filter(archived_at__isnull=not archived)


def find_many(*, project: Project | str, codes: Collection[str]) -> dict[str, Feature]:
    """The features with these codes, by code; unknown codes are absent."""
    if not codes:
        return {}
    rows = _OF_CODES.rows(project_id=project_id_of(project), codes=list(codes))
    return {feature.code: feature for feature in rows}


def lock(*, project_id: str, feature_id: str) -> Feature:
    """The feature's row, locked until the transaction ends."""
    rows = Feature.objects.for_project(project_id).select_related("meter")
    return rows.select_for_update(of=("self",)).get(pk=feature_id)


def definitions(
    *, project: Project | str, codes: Collection[str], at: datetime | None = None
) -> dict[str, FeatureDefinition]:
    """Definitions by code; with ``at`` of features that existed then. Archived features are
    included."""
    rows = Feature.objects.for_project(project).filter(code__in=codes)
    return _index_definitions(rows if at is None else rows.filter(created_at__lte=at))


def live_definitions(
    *, project: Project | str, at: datetime | None = None
) -> dict[str, FeatureDefinition]:
    """Definitions by code of every feature that is not archived; with ``at`` that was not
    archived then."""
    if at is None:
        return _index_definitions(_LIVE.rows(project_id=project_id_of(project)))
    is_live = Q(archived_at__isnull=True) | Q(archived_at__gt=at)
    rows = Feature.objects.for_project(project).filter(is_live, created_at__lte=at)
    return _index_definitions(rows)


def _index_definitions(rows: Iterable[Feature]) -> dict[str, FeatureDefinition]:
    return {row.code: definition(row) for row in rows}


def definition(row: Feature) -> FeatureDefinition:
    """The feature as the resolution reads it."""
    return FeatureDefinition(
        code=row.code,
        kind=row.kind,
        merge=row.merge,
        meter_id=row.meter_id,
        period=Unit(row.period) if row.period else None,
        is_anchored=row.is_anchored,
    )
