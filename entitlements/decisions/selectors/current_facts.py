"""What the answers of this moment follow from, in one statement: the way of a cold check.

:mod:`entitlements.decisions.selectors.facts_at` gathers the same for any outlook and says more of
it; for one question at one moment its four queries cost more to build, to send and to plan than to
run. This statement is constant and planned once for each connection. Everything in it is of one
snapshot: a customer's version is exactly that of its facts, and the rules' that of the definitions.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from common import prepared
from common.ids import is_id
from entitlements.balances.selectors.figures import Answer
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Definition, Fact, Question, Reason
from projects.models import Project
from usage.periods import Unit

_READ = """
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
class Ground:
    """As much of it as the questions need; ``rules`` is the version of the project's rules."""

    at: datetime
    rules: int
    customers: dict[str, tuple[str, int]]
    """By what was asked for, those that there are: our id and the version."""
    definitions: dict[str, Definition]
    facts: dict[tuple[str, str], list[Fact]]
    """By our id of the customer and the feature's code."""
    free: dict[str, list[Fact]]
    """About everybody, by the feature's code."""

    def answer(self, question: Question) -> Answer:
        """What facts alone say."""
        customer_id, version = self.customers.get(question.user_id, (None, 0))
        definition = self.definitions.get(question.feature)
        if definition is None:
            return Answer(customer_id, resolution.unknown(question.feature, version=version))
        about = [
            *self.facts.get((customer_id or "", question.feature), ()),
            *self.free.get(question.feature, ()),
        ]
        return Answer(
            customer_id,
            resolution.resolve(about, definition=definition, at=self.at, version=version),
        )


def read(*, project: Project, questions: Collection[Question], at: datetime) -> Ground:
    """What the answers at ``at``, which is now, follow from. One query, however many questions."""
    user_ids = {each.user_id for each in questions}
    given = {
        "project": project.pk,
        "user_ids": list(user_ids),
        "ids": [asked for asked in user_ids if is_id(asked, "cus")],
        "codes": list({each.feature for each in questions}),
        "at": at,
    }
    row = prepared.row(_READ, given)
    assert row is not None  # it has no FROM
    rules, customers, features, entries, facts = orjson.loads(row[0])
    by_feature = defaultdict(list)
    for fact in _free(entries or ()):
        by_feature[fact.feature].append(fact)
    by_customer = defaultdict(list)
    for customer_id, fact in _known(facts or ()):
        by_customer[customer_id, fact.feature].append(fact)
    return Ground(
        at=at,
        rules=rules or 0,
        customers=_named(customers or (), given["ids"], user_ids),
        definitions={each[0]: _definition(*each) for each in features or ()},
        facts=by_customer,
        free=by_feature,
    )


def _named(
    rows: Collection[tuple[str, str, int]], ids: Collection[str], user_ids: Collection[str]
) -> dict[str, tuple[str, int]]:
    """By our id where that was asked for; by the tenant's, which goes first."""
    ours = {id_: (id_, version) for id_, _, version in rows if id_ in ids}
    return ours | {user_id: (id_, version) for id_, user_id, version in rows if user_id in user_ids}


def _definition(
    code: str, kind: str, merge: str, meter_id: str | None, period: str, is_anchored: bool
) -> Definition:
    return Definition(code, kind, merge, meter_id, Unit(period) if period else None, is_anchored)


def _free(rows: Iterable[tuple[Any, ...]]) -> Iterator[Fact]:
    for source_id, code, value, starts_at in rows:
        yield Fact(
            source_type=SourceType.FREE_TIER,
            source_id=source_id,
            effect=Effect.ALLOW,
            feature=code,
            value=_value(value),
            reason=Reason.FREE_TIER,
            starts_at=datetime.fromisoformat(starts_at),
        )


def _known(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, Fact]]:
    for customer_id, type_, id_, effect, code, value, reason, *moments, part, paid_until in rows:
        starts, ends, anchored = moments
        yield (
            customer_id,
            Fact(
                source_type=type_,
                source_id=id_,
                effect=effect,
                feature=code,
                value=_value(value),
                reason=Reason(reason),
                starts_at=datetime.fromisoformat(starts),
                ends_at=_moment(ends),
                anchored_at=_moment(anchored),
                part=part,
                paid_until=_moment(paid_until),
            ),
        )


def _value(text: str | None) -> Any:
    """As text until here, so that a number stays what it is, however long."""
    return None if text is None else json.loads(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
