"""The free tier of a project at any moment."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet

from common.models import project_id_of
from common.prepared_queries import Parameter, PreparedQuery
from entitlements.features.selectors import features
from entitlements.models import FreeTierEntry
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.facts import DecisionFact, FeatureDefinition, Reason
from projects.models import Project

_AT = PreparedQuery(
    lambda: (
        FreeTierEntry.objects.for_project(Parameter("project_id"))
        .filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=Parameter("at")),
            starts_at__lte=Parameter("at"),
        )
        .order_by("feature__code")
    ),
    related=["feature"],
)
_HISTORY = PreparedQuery(
    lambda: FreeTierEntry.objects.for_project(Parameter("project_id")).order_by("feature__code"),
    related=["feature"],
)


def entries(*, project: Project | str, at: datetime) -> list[FreeTierEntry]:
    """The entries at that moment with their features, by code. One query."""
    return _AT.rows(project_id=project_id_of(project), at=at)


def history(*, project: Project | str) -> list[FreeTierEntry]:
    """Every entry that the project ever had, with its feature, by code. One query."""
    return _HISTORY.rows(project_id=project_id_of(project))


def current(*, project: Project | str) -> QuerySet[FreeTierEntry]:
    """The entries that have not ended, with their features."""
    rows = FreeTierEntry.objects.for_project(project).filter(ends_at__isnull=True)
    return rows.select_related("feature").order_by("feature__code")


def facts(rows: Iterable[FreeTierEntry], *, at: datetime) -> list[DecisionFact]:
    """The entries valid at ``at`` as facts about any user.

    Facts from the free tier have no end: a later change was not known at ``at``.
    """
    return [
        DecisionFact(
            source_type=SourceType.FREE_TIER,
            source_id=row.pk,
            effect=Effect.ALLOW,
            feature=row.feature.code,
            value=row.value,
            reason=Reason.FREE_TIER,
            starts_at=row.starts_at,
        )
        for row in rows
        if row.starts_at <= at and (row.ends_at is None or at < row.ends_at)
    ]


def definitions(rows: Iterable[FreeTierEntry]) -> dict[str, FeatureDefinition]:
    """Definitions of the features in the entries, by code."""
    return {row.feature.code: features.definition(row.feature) for row in rows}
