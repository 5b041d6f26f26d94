"""What the sources say now: for each source its highest version, in one query."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from entitlements.features.selectors import features
from entitlements.models import Fact
from entitlements.models.fact import Effect
from entitlements.resolution.decision import Definition, Reason, Source
from entitlements.resolution.decision import Fact as Known
from projects.models import Customer, Project


def current(*, customer: Customer, as_of: int | None = None) -> list[Fact]:
    """The rows that count, with their features; ``as_of`` an earlier version of the customer."""
    until = None if as_of is None else Q(version__lte=as_of)
    rows = _current(customer.project_id, [customer.pk], until)
    return list(rows.select_related("feature"))


def current_of_many(
    *, project: Project | str, customer_ids: Collection[str], by: datetime | None = None
) -> dict[str, tuple[list[Fact], int]]:
    """For each customer that has any: the rows that count, and its version.

    Both come from one snapshot of the database, so an answer made from these rows can be
    labelled with exactly the version that it belongs to. ``by`` a moment of the past they are what
    was recorded by then, and the version is that of the newest.
    """
    rows = _current(project, customer_ids, None if by is None else Q(recorded_at__lte=by))
    found: dict[str, tuple[list[Fact], int]] = {}
    for row in rows.select_related("feature", "customer"):
        said, version = found.get(row.customer_id, ([], 0))
        version = row.customer.version if by is None else max(version, row.version)
        said.append(row)
        found[row.customer_id] = said, version
    return found


def _current(
    project: Project | str, customer_ids: Collection[str], until: Q | None
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
    return facts.filter(customer_id__in=customer_ids, version=Subquery(newest))


def current_of_sources(
    *,
    project: Project | str,
    source_type: str,
    customer_ids: Collection[str],
    source_ids: Collection[str],
) -> dict[str, list[Fact]]:
    """For each of these customers' sources that ever said something: the rows that count. One
    query."""
    facts = Fact.objects.for_project(project).filter(source_type=source_type)
    same_source = facts.filter(customer_id=OuterRef("customer_id"), source_id=OuterRef("source_id"))
    newest = same_source.values("source_id").annotate(newest=Max("version")).values("newest")
    facts = facts.filter(customer_id__in=customer_ids)
    rows = facts.filter(source_id__in=source_ids, version=Subquery(newest))
    found: dict[str, list[Fact]] = {}
    for row in rows:
        found.setdefault(row.source_id, []).append(row)
    return found


def latest_version(*, customer: Customer, source: Source) -> int:
    """The customer's version at which the source last said something; 0 when it never did."""
    said = Fact.objects.for_project(customer.project_id).filter(
        customer_id=customer.pk, source_type=source.type, source_id=source.id
    )
    return said.aggregate(latest=Max("version"))["latest"] or 0


def source_of(row: Fact) -> Source:
    return Source(row.source_type, row.source_id)


def known(rows: Iterable[Fact]) -> list[Known]:
    """The rows as the resolution reads them; a source's silence is no fact."""
    return [
        Known(
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


def definitions(rows: Iterable[Fact]) -> dict[str, Definition]:
    """By code, of the features that the rows speak about."""
    about = {row.feature for row in rows if row.feature is not None}
    return {feature.code: features.definition(feature) for feature in about}


def silent(rows: Iterable[Fact]) -> list[Source]:
    """Sources that have nothing more to say."""
    return sorted({source_of(row) for row in rows if row.effect == Effect.NONE})
