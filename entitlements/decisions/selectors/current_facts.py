"""Everything that decisions of this moment follow from, in one statement: for a check without
cache.

:mod:`entitlements.decisions.selectors.facts_at` reads the same for any evaluation context. For one
question at one moment its four queries cost more to build, send and plan than to run; this
statement is constant and planned once per connection. It reads one snapshot of the database: the
customer's version is exactly that of its facts, the rules' version exactly that of the definitions.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from common import prepared_statements
from common.ids import is_id
from common.times import parse_optional
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Question
from entitlements.resolution.facts import DecisionFact, FeatureDefinition, Reason
from projects.models import Project
from usage.periods import Unit

_READ_FACTS = """
WITH customer AS MATERIALIZED (
    SELECT id, user_id, version FROM projects_customer
    WHERE project_id = %(project)s
      AND (user_id = ANY(%(user_ids)s::text[]) OR id = ANY(%(ids)s::text[]))
), feature AS MATERIALIZED (
    SELECT id, code, kind, merge, meter_id, period, is_anchored FROM entitlements_feature
    WHERE project_id = %(project)s AND code = ANY(%(codes)s::text[])
)
SELECT json_build_array(
    (SELECT version FROM entitlements_rules WHERE project_id = %(project)s),
    (SELECT json_agg(json_build_array(id, user_id, version)) FROM customer),
    (SELECT json_agg(json_build_array(code, kind, merge, meter_id, period, is_anchored))
     FROM feature),
    (SELECT json_agg(json_build_array(entry.id, feature.code, entry.value::text, entry.starts_at))
     FROM feature JOIN entitlements_freetierentry AS entry
       ON entry.project_id = %(project)s AND entry.feature_id = feature.id
     WHERE entry.starts_at <= %(at)s AND (entry.ends_at IS NULL OR entry.ends_at > %(at)s)),
    (SELECT json_agg(json_build_array(
        fact.customer_id, fact.source_type, fact.source_id, fact.effect, feature.code,
        fact.value::text, fact.reason, fact.starts_at, fact.ends_at, fact.anchored_at, fact.part,
        fact.paid_until))
     FROM customer JOIN entitlements_fact AS fact
       ON fact.project_id = %(project)s AND fact.customer_id = customer.id
     JOIN feature ON feature.id = fact.feature_id
     WHERE fact.effect <> 'none' AND fact.version = (
        SELECT max(said.version) FROM entitlements_fact AS said
        WHERE said.project_id = %(project)s AND said.customer_id = fact.customer_id
          AND said.source_type = fact.source_type AND said.source_id = fact.source_id))
)::text
"""


@dataclass(frozen=True, slots=True)
class CurrentFacts:
    """The facts and definitions that the questions need. ``rules`` is the version of the
    project's rules."""

    at: datetime
    rules: int
    customers: dict[str, tuple[str, int]]
    """Customer id and version, by the user_id or ``cus_…`` that was asked for; unknown users are
    absent."""
    definitions: dict[str, FeatureDefinition]
    facts: dict[tuple[str, str], list[DecisionFact]]
    """By customer id and feature code."""
    free: dict[str, list[DecisionFact]]
    """Free tier facts, by feature code."""

    def decide(self, question: Question) -> StaticDecision:
        """The static decision."""
        customer_id, version = self.customers.get(question.user_id, (None, 0))
        definition = self.definitions.get(question.feature)
        if definition is None:
            return StaticDecision(
                customer_id, resolution.decide_unknown_feature(question.feature, version=version)
            )
        facts = [
            *self.facts.get((customer_id or "", question.feature), ()),
            *self.free.get(question.feature, ()),
        ]
        return StaticDecision(
            customer_id,
            resolution.resolve(facts, definition=definition, at=self.at, version=version),
        )


def read(*, project: Project, questions: Collection[Question], at: datetime) -> CurrentFacts:
    """The facts and definitions for decisions at ``at``, which must be now. One query for any
    number of questions."""
    user_ids = {each.user_id for each in questions}
    parameters = {
        "project": project.pk,
        "user_ids": list(user_ids),
        "ids": [user_id for user_id in user_ids if is_id(user_id, "cus")],
        "codes": list({each.feature for each in questions}),
        "at": at,
    }
    row = prepared_statements.fetch_row(_READ_FACTS, parameters)
    assert row is not None  # it has no FROM
    rules, customers, features, free_tier_rows, facts = orjson.loads(row[0])
    by_feature = defaultdict(list)
    for fact in _build_free_tier_facts(free_tier_rows or ()):
        by_feature[fact.feature].append(fact)
    by_customer = defaultdict(list)
    for customer_id, fact in _build_customer_facts(facts or ()):
        by_customer[customer_id, fact.feature].append(fact)
    return CurrentFacts(
        at=at,
        rules=rules or 0,
        customers=_index_customers(customers or (), parameters["ids"], user_ids),
        definitions={each[0]: _build_definition(*each) for each in features or ()},
        facts=by_customer,
        free=by_feature,
    )


def _index_customers(
    rows: Collection[tuple[str, str, int]], ids: Collection[str], user_ids: Collection[str]
) -> dict[str, tuple[str, int]]:
    """Customers by ``cus_…`` id where that was asked for, and by user_id; a user_id takes
    precedence."""
    by_id = {id_: (id_, version) for id_, _, version in rows if id_ in ids}
    return by_id | {
        user_id: (id_, version) for id_, user_id, version in rows if user_id in user_ids
    }


def _build_definition(
    code: str, kind: str, merge: str, meter_id: str | None, period: str, is_anchored: bool
) -> FeatureDefinition:
    return FeatureDefinition(
        code, kind, merge, meter_id, Unit(period) if period else None, is_anchored
    )


def _build_free_tier_facts(rows: Iterable[tuple[Any, ...]]) -> Iterator[DecisionFact]:
    for source_id, code, value, starts_at in rows:
        yield DecisionFact(
            source_type=SourceType.FREE_TIER,
            source_id=source_id,
            effect=Effect.ALLOW,
            feature=code,
            value=_parse_value(value),
            reason=Reason.FREE_TIER,
            starts_at=datetime.fromisoformat(starts_at),
        )


def _build_customer_facts(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, DecisionFact]]:
    for (
        customer_id,
        source_type,
        source_id,
        effect,
        code,
        value,
        reason,
        *moments,
        part,
        paid_until,
    ) in rows:
        starts, ends, anchored = moments
        yield (
            customer_id,
            DecisionFact(
                source_type=source_type,
                source_id=source_id,
                effect=effect,
                feature=code,
                value=_parse_value(value),
                reason=Reason(reason),
                starts_at=datetime.fromisoformat(starts),
                ends_at=parse_optional(ends),
                anchored_at=parse_optional(anchored),
                part=part,
                paid_until=parse_optional(paid_until),
            ),
        )


def _parse_value(text: str | None) -> Any:
    """Parsed with ``json``: a number of any length stays exact."""
    return None if text is None else json.loads(text)
