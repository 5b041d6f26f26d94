"""What a grant, the end of one, or other words of a source would change: the same resolution over
facts that are not there.

Nothing is written. The answers are those of the moment at which the change would begin to count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from entitlements.decisions.selectors import facts as stored
from entitlements.decisions.selectors import free_tier
from entitlements.decisions.selectors.effects import Effect
from entitlements.features.selectors import features as defined
from entitlements.models import Fact, Feature, Grant
from entitlements.models import fact as stored_fact
from entitlements.models.fact import SourceType
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision, Reason, Source
from entitlements.resolution.decision import Fact as Known
from projects.models import Customer

NEW = "new"
"""The id of the grant that is not there yet, as a source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFact:
    """What a source might say about a feature."""

    feature_id: str
    effect: str
    value: Any
    reason: Reason
    starts_at: datetime
    ends_at: datetime | None
    anchored_at: datetime | None = None
    part: str = ""
    paid_until: datetime | None = None


def of_sources(
    *, customer: Customer, said: Mapping[Source, Sequence[ProposedFact]], at: datetime
) -> list[Effect]:
    """For each feature that these sources speak or would speak about the decision without and
    with their new words. Three queries."""
    before = stored.known(stored.current(customer=customer))
    features = _about(customer.project_id, {customer.pk: said}, {customer.pk: before})
    after = _with(before, said, features)
    return _compare(customer, before, after, features.values(), at=at)


def of_many(
    *,
    project_id: str,
    said: Mapping[str, Mapping[Source, Sequence[ProposedFact]]],
    at: datetime,
) -> dict[str, list[Effect]]:
    """As :func:`of_sources` for many customers of one project, by id, each about every feature
    that anybody's sources speak about. Three queries, however many."""
    rows = stored.current_of_many(project=project_id, customer_ids=said)
    before = {key: stored.known(rows[key][0]) if key in rows else [] for key in said}
    features = _about(project_id, said, before)
    everybody = free_tier.facts(free_tier.entries(project=project_id, at=at), at=at)
    about = {feature.code: defined.definition(feature) for feature in features.values()}
    effects = {}
    for key, sources in said.items():
        old, new = (
            resolution.resolve_all([*known, *everybody], features=about, at=at)
            for known in (before[key], _with(before[key], sources, features))
        )
        effects[key] = [Effect(old[code], new[code]) for code in new]
    return effects


def _about(
    project_id: str,
    said: Mapping[str, Mapping[Source, Sequence[ProposedFact]]],
    before: Mapping[str, Sequence[Known]],
) -> dict[str, Feature]:
    """The features that these sources speak or would speak about, by id."""
    ids = {each.feature_id for of in said.values() for facts in of.values() for each in facts}
    codes = {
        fact.feature for key, known in before.items() for fact in known if fact.source in said[key]
    }
    named = Feature.objects.for_project(project_id).filter(Q(pk__in=ids) | Q(code__in=codes))
    return {feature.pk: feature for feature in named}


def _with(
    before: Sequence[Known],
    said: Mapping[Source, Sequence[ProposedFact]],
    features: Mapping[str, Feature],
) -> list[Known]:
    """The facts there are, with other words of these sources."""
    proposed = [
        Known(
            source_type=source.type,
            source_id=source.id,
            effect=each.effect,
            feature=features[each.feature_id].code,
            value=each.value,
            reason=each.reason,
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            anchored_at=each.anchored_at,
            part=each.part,
            paid_until=each.paid_until,
        )
        for source, facts in said.items()
        for each in facts
    ]
    return [*(fact for fact in before if fact.source not in said), *proposed]


def of_grant(
    *,
    customer: Customer,
    features: Sequence[tuple[Feature, Any]],
    effect: stored_fact.Effect,
    starts_at: datetime,
    expires_at: datetime | None,
) -> list[Effect]:
    """For each feature the decision at ``starts_at`` without and with the grant."""
    allows = effect == stored_fact.Effect.ALLOW
    proposed = [
        Known(
            source_type=SourceType.GRANT,
            source_id=NEW,
            effect=effect,
            feature=feature.code,
            value=value,
            reason=Reason.GRANTED if allows else Reason.REVOKED,
            starts_at=starts_at,
            ends_at=expires_at,
        )
        for feature, value in features
    ]
    known = stored.known(stored.current(customer=customer))
    about = [feature for feature, _ in features]
    return _compare(customer, known, [*known, *proposed], about, at=starts_at)


def of_revocation(*, grant: Grant, at: datetime) -> list[Effect]:
    """For each feature that the grant names the decision with and without it."""
    source = Source(SourceType.GRANT, grant.pk)
    codes = {each["feature"] for each in grant.features}
    rows: list[Fact] = stored.current(customer=grant.customer)
    rest = [row for row in rows if stored.source_of(row) != source]
    return _compare(
        grant.customer,
        stored.known(rows),
        stored.known(rest),
        defined.find_many(project=grant.project_id, codes=codes).values(),
        at=max(at, grant.starts_at),
    )


def _compare(
    customer: Customer,
    before: Sequence[Known],
    after: Sequence[Known],
    about: Iterable[Feature],
    *,
    at: datetime,
) -> list[Effect]:
    everybody = free_tier.facts(free_tier.entries(project=customer.project_id, at=at), at=at)
    features = {feature.code: defined.definition(feature) for feature in about}

    def decisions(known: Sequence[Known]) -> dict[str, Decision]:
        return resolution.resolve_all(
            [*known, *everybody], features=features, at=at, version=customer.version
        )

    old, new = decisions(before), decisions(after)
    return [Effect(old[code], new[code]) for code in new]
