"""Rows of facts. Of each source the rows with its highest version count."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Expression, Max, OuterRef, Q, QuerySet, Subquery

from common.models import project_id_of
from common.prepared_queries import Parameter, PreparedQuery, is_any
from entitlements.features.selectors import features
from entitlements.models import Fact
from entitlements.models.fact import Effect
from entitlements.resolution.facts import DecisionFact, FeatureDefinition, Reason, Source
from projects.models import Customer, Project

_CURRENT = PreparedQuery(
    lambda: _current(Parameter("project_id"), Q(customer_id=Parameter("customer_id"))),
    related=["feature"],
)
_CURRENT_OF_MANY = PreparedQuery(
    lambda: _current(Parameter("project_id"), Q(is_any("customer_id", "customer_ids"))),
    related=["feature", "customer"],
)
_CURRENT_OF_SOURCES = PreparedQuery(lambda: _select_current_of_sources())  # noqa: PLW0108  # defined below


def current(*, customer: Customer, as_of: int | None = None) -> list[Fact]:
    """The rows that count, with their features; with ``as_of`` those at an earlier version of
    the customer."""
    if as_of is None:
        return _CURRENT.rows(project_id=customer.project_id, customer_id=customer.pk)
    rows = _current(customer.project_id, Q(customer_id=customer.pk), Q(version__lte=as_of))
    return list(rows.select_related("feature"))


def current_of_many(
    *, project: Project | str, customer_ids: Collection[str], recorded_by: datetime | None = None
) -> dict[str, tuple[list[Fact], int]]:
    """For each customer with facts: the rows that count, and the customer's version.

    Both come from one snapshot of the database, so a decision made from these rows belongs to
    exactly that version. With ``recorded_by`` in the past only rows recorded by then count, and the
    version is the highest of these rows.
    """
    facts_by_customer: dict[str, tuple[list[Fact], int]] = {}
    for row in _current_rows(project, list(customer_ids), recorded_by):
        customer_rows, version = facts_by_customer.get(row.customer_id, ([], 0))
        version = row.customer.version if recorded_by is None else max(version, row.version)
        customer_rows.append(row)
        facts_by_customer[row.customer_id] = customer_rows, version
    return facts_by_customer


def _current_rows(
    project: Project | str, customer_ids: list[str], recorded_by: datetime | None
) -> Iterable[Fact]:
    """The rows that count, with their features and customers."""
    if not customer_ids:
        return []
    if recorded_by is None:
        return _CURRENT_OF_MANY.rows(project_id=project_id_of(project), customer_ids=customer_ids)
    rows = _current(project, Q(customer_id__in=customer_ids), Q(recorded_at__lte=recorded_by))
    return rows.select_related("feature", "customer")


def _current(
    project: Project | Expression | str, customers: Q, until: Q | None = None
) -> QuerySet[Fact]:
    facts = Fact.objects.for_project(project)
    if until is not None:
        facts = facts.filter(until)
    same_source = facts.filter(
        customer_id=OuterRef("customer_id"),
        source_type=OuterRef("source_type"),
        source_id=OuterRef("source_id"),
    )
    newest = same_source.values("source_id").annotate(newest=Max("version")).values("newest")
    return facts.filter(customers, version=Subquery(newest))


def current_of_sources(
    *,
    project: Project | str,
    source_type: str,
    customer_ids: Collection[str],
    source_ids: Collection[str],
) -> dict[str, list[Fact]]:
    """The rows that count, by source id, for those of these sources that have stated any. One
    query."""
    rows_by_source: dict[str, list[Fact]] = {}
    if not customer_ids or not source_ids:
        return rows_by_source
    for row in _CURRENT_OF_SOURCES.rows(
        project_id=project_id_of(project),
        source_type=source_type,
        customer_ids=list(customer_ids),
        source_ids=list(source_ids),
    ):
        rows_by_source.setdefault(row.source_id, []).append(row)
    return rows_by_source


def _select_current_of_sources() -> QuerySet[Fact]:
    facts = Fact.objects.for_project(Parameter("project_id")).filter(
        source_type=Parameter("source_type")
    )
    same_source = facts.filter(customer_id=OuterRef("customer_id"), source_id=OuterRef("source_id"))
    newest = same_source.values("source_id").annotate(newest=Max("version")).values("newest")
    return facts.filter(
        is_any("customer_id", "customer_ids"),
        is_any("source_id", "source_ids"),
        version=Subquery(newest),
    )


def latest_version(*, customer: Customer, source: Source) -> int:
    """The customer's version of the source's latest facts; 0 without any."""
    rows = Fact.objects.for_project(customer.project_id).filter(
        customer_id=customer.pk, source_type=source.type, source_id=source.id
    )
    return rows.aggregate(latest=Max("version"))["latest"] or 0


def source_of(row: Fact) -> Source:
    return Source(row.source_type, row.source_id)


def to_decision_facts(rows: Iterable[Fact]) -> list[DecisionFact]:
    """The rows as the resolution reads them. Rows with the effect ``none`` are left out."""
    return [
        DecisionFact(
            source_type=row.source_type,
            source_id=row.source_id,
            effect=row.effect,
            feature=row.feature.code,
            value=row.value,
            reason=Reason(row.reason),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            anchored_at=row.anchored_at,
            part=row.part,
            paid_until=row.paid_until,
        )
        for row in rows
        if row.effect != Effect.NONE and row.feature is not None
    ]


def definitions(rows: Iterable[Fact]) -> dict[str, FeatureDefinition]:
    """Definitions of the features that the rows name, by code."""
    named = {row.feature for row in rows if row.feature is not None}
    return {feature.code: features.definition(feature) for feature in named}


def ended_sources(rows: Iterable[Fact]) -> list[Source]:
    """Sources whose latest row has the effect ``none``."""
    return sorted({source_of(row) for row in rows if row.effect == Effect.NONE})
