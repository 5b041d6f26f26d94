"""The change of decisions that a new grant, a revocation or other facts of a source would make.

Nothing is written. Decisions are evaluated at the moment at which the change begins.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import facts as fact_rows
from entitlements.decisions.selectors import free_tier
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.features.selectors import features as feature_rows
from entitlements.models import Fact, Feature, Grant
from entitlements.models import fact as fact_model
from entitlements.models.fact import SourceType
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision
from entitlements.resolution.facts import DecisionFact, Reason, Source
from projects.models import Customer

NEW = "new"
"""Source id of a grant that does not exist yet."""


def of_sources(
    *, customer: Customer, drafts: Mapping[Source, Sequence[FactDraft]], at: datetime
) -> list[DecisionChange]:
    """For each feature that these sources name or would name, the change that the drafts would
    make. Three queries."""
    before = fact_rows.to_decision_facts(fact_rows.current(customer=customer))
    features = _find_features(customer.project_id, {customer.pk: drafts}, {customer.pk: before})
    after = _apply_drafts(before, drafts, features)
    return _compare(customer, before, after, features.values(), at=at)


def of_many(
    *,
    project_id: str,
    drafts: Mapping[str, Mapping[Source, Sequence[FactDraft]]],
    at: datetime,
) -> dict[str, list[DecisionChange]]:
    """The changes by customer id, for many customers of one project; each list covers every
    feature that any of the sources names. Three queries for any number."""
    rows = fact_rows.current_of_many(project=project_id, customer_ids=drafts)
    before = {
        customer_id: fact_rows.to_decision_facts(rows[customer_id][0])
        if customer_id in rows
        else []
        for customer_id in drafts
    }
    features = _find_features(project_id, drafts, before)
    free_tier_facts = free_tier.facts(free_tier.entries(project=project_id, at=at), at=at)
    definitions = {feature.code: feature_rows.definition(feature) for feature in features.values()}
    effects = {}
    for customer_id, sources in drafts.items():
        decisions_before, decisions_after = (
            resolution.resolve_all([*facts, *free_tier_facts], features=definitions, at=at)
            for facts in (
                before[customer_id],
                _apply_drafts(before[customer_id], sources, features),
            )
        )
        effects[customer_id] = [
            DecisionChange(decisions_before[code], decisions_after[code])
            for code in decisions_after
        ]
    return effects


def _find_features(
    project_id: str,
    drafts: Mapping[str, Mapping[Source, Sequence[FactDraft]]],
    before: Mapping[str, Sequence[DecisionFact]],
) -> dict[str, Feature]:
    """The features that these sources name or would name, by id."""
    ids = {
        draft.feature_id
        for sources in drafts.values()
        for source_drafts in sources.values()
        for draft in source_drafts
    }
    codes = {
        fact.feature
        for customer_id, facts in before.items()
        for fact in facts
        if fact.source in drafts[customer_id]
    }
    rows = Feature.objects.for_project(project_id).filter(Q(pk__in=ids) | Q(code__in=codes))
    return {feature.pk: feature for feature in rows}


def _apply_drafts(
    before: Sequence[DecisionFact],
    drafts: Mapping[Source, Sequence[FactDraft]],
    features: Mapping[str, Feature],
) -> list[DecisionFact]:
    """The facts with those of the given sources replaced by drafts."""
    draft_facts = [
        draft.to_decision_fact(source, feature=features[draft.feature_id].code)
        for source, source_drafts in drafts.items()
        for draft in source_drafts
    ]
    return [*(fact for fact in before if fact.source not in drafts), *draft_facts]


def of_grant(
    *,
    customer: Customer,
    features: Sequence[tuple[Feature, Any]],
    effect: fact_model.Effect,
    starts_at: datetime,
    expires_at: datetime | None,
) -> list[DecisionChange]:
    """For each feature, the change that the grant would make at ``starts_at``."""
    is_allowed = effect == fact_model.Effect.ALLOW
    grant_facts = [
        DecisionFact(
            source_type=SourceType.GRANT,
            source_id=NEW,
            effect=effect,
            feature=feature.code,
            value=value,
            reason=Reason.GRANTED if is_allowed else Reason.REVOKED,
            starts_at=starts_at,
            ends_at=expires_at,
        )
        for feature, value in features
    ]
    facts = fact_rows.to_decision_facts(fact_rows.current(customer=customer))
    granted_features = [feature for feature, _ in features]
    return _compare(customer, facts, [*facts, *grant_facts], granted_features, at=starts_at)


def of_revocation(*, grant: Grant, at: datetime) -> list[DecisionChange]:
    """For each feature of the grant, the change that ending it would make."""
    source = Source(SourceType.GRANT, grant.pk)
    codes = {entry["feature"] for entry in grant.features}
    rows: list[Fact] = fact_rows.current(customer=grant.customer)
    remaining_rows = [row for row in rows if fact_rows.source_of(row) != source]
    return _compare(
        grant.customer,
        fact_rows.to_decision_facts(rows),
        fact_rows.to_decision_facts(remaining_rows),
        feature_rows.find_many(project=grant.project_id, codes=codes).values(),
        at=max(at, grant.starts_at),
    )


def _compare(
    customer: Customer,
    before: Sequence[DecisionFact],
    after: Sequence[DecisionFact],
    features: Iterable[Feature],
    *,
    at: datetime,
) -> list[DecisionChange]:
    free_tier_facts = free_tier.facts(free_tier.entries(project=customer.project_id, at=at), at=at)
    definitions = {feature.code: feature_rows.definition(feature) for feature in features}

    def decisions(facts: Sequence[DecisionFact]) -> dict[str, Decision]:
        return resolution.resolve_all(
            [*facts, *free_tier_facts], features=definitions, at=at, version=customer.version
        )

    decisions_before, decisions_after = decisions(before), decisions(after)
    return [
        DecisionChange(decisions_before[code], decisions_after[code]) for code in decisions_after
    ]
