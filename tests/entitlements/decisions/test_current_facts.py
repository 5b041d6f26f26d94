"""The single statement for current facts agrees with the general queries."""

from dataclasses import astuple, replace
from random import Random

import pytest

from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.decisions.selectors import current_facts, decisions
from entitlements.decisions.selectors.facts_at import FactsInContext
from entitlements.features.selectors import rules_version
from entitlements.free_tier import service as free_tier
from entitlements.models.fact import Effect, SourceType
from entitlements.models.feature import FeatureKind
from entitlements.resolution.decision import Question
from entitlements.resolution.evaluation_context import build_context
from entitlements.resolution.facts import Reason
from projects.models import Project
from tests.factories.entitlements import NOW, FeatureFactory, LimitFactory, draft_fact, grant, state
from tests.factories.projects import CustomerFactory
from usage.meters import service as meters

pytestmark = pytest.mark.django_db
HUGE = 10**21 + 1
"""More than a machine's word holds, as a document may."""


def features_of(project):
    meter = meters.create(
        project=project, code="calls", name="Calls", unit="", aggregation="sum", actor="me", at=NOW
    )
    metered = {"project": project, "kind": FeatureKind.METERED, "meter": meter, "period": "month"}
    return {
        "sso": (FeatureFactory.create(project=project, code="sso"), [True]),
        "seats": (LimitFactory.create(project=project, code="seats", merge="sum"), [0, 5, None]),
        "calls": (FeatureFactory.create(code="calls", is_anchored=True, **metered), [3, None]),
        "minutes": (FeatureFactory.create(code="minutes", **metered), [7]),
        "render": (
            FeatureFactory.create(project=project, code="render", kind=FeatureKind.CREDITS),
            [2, 4],
        ),
        "theme": (
            FeatureFactory.create(
                project=project, code="theme", kind=FeatureKind.CONFIG, merge="priority"
            ),
            ['é"\\', {"b": [1, 2.5, None, HUGE]}, 1e300],
        ),
    }


def state_anything(random, customer, features, at):
    source_type = random.choice([SourceType.SUBSCRIPTION, SourceType.GRANT])
    feature, values = random.choice(list(features.values()))
    new_fact = draft_fact(
        feature,
        random.choice(values),
        starts_at=at + random.uniform(-9, 9) * (at - at.replace(second=0, microsecond=0)),
        anchored_at=random.choice([None, at.replace(day=3, microsecond=7)]),
        paid_until=random.choice([None, at.replace(year=2025, microsecond=9)]),
    )
    if source_type == SourceType.GRANT and random.random() < 0.4:
        new_fact = replace(new_fact, effect=Effect.DENY, value=None, reason=Reason.HELD)
    elif random.random() < 0.5:
        new_fact = replace(new_fact, ends_at=new_fact.starts_at.replace(year=2027))
    claims = [new_fact] if random.random() < 0.8 else []
    state(customer, *claims, source=f"s{random.randrange(3)}", source_type=source_type, at=at)


def whole(answer: StaticDecision) -> object:
    """With what is no part of a decision's equality."""
    return answer.customer_id, astuple(answer.decision)


def test_the_single_statement_agrees_with_the_queries(
    project: Project, other_project: Project
) -> None:
    random = Random(13)
    features = features_of(project)
    ada, bob = (CustomerFactory.create(project=project, user_id=each) for each in ("ada", "bob"))
    CustomerFactory.create(project=project, user_id=ada.pk)  # a name that is somebody's id
    stranger = CustomerFactory.create(project=other_project, user_id="carol")
    other_feature = FeatureFactory.create(project=other_project, code="theirs")
    state(stranger, draft_fact(other_feature))
    people = ["ada", ada.pk, "bob", bob.pk, "carol", stranger.pk, "nobody", "cus_" + "0" * 26]
    questions = [Question(user, code) for user in people for code in [*features, "theirs", "none"]]
    seen = set()
    for number in range(60):
        at = NOW.replace(minute=number, second=number // 2, microsecond=number)
        state_anything(random, random.choice([ada, bob]), features, at)
        if number % 7 == 0:
            feature, values = random.choice(list(features.values()))
            free_features = [] if number % 2 else [(feature, values[0])]
            free_tier.replace(project=project, features=free_features, actor="me", at=at)
        current = current_facts.read(project=project, questions=questions, at=at)
        sight = FactsInContext(project=project, user_ids=people, context=build_context(at))
        defined = sight.definitions({each.feature for each in questions})
        for each in questions:
            expected = sight.decide(each, defined.get(each.feature))
            assert whole(current.decide(each)) == whole(expected)
            seen.add(expected.decision.reason)
        assert current.rules == rules_version.read(project)
    assert seen >= {Reason.ENTITLED, Reason.HELD, Reason.FREE_TIER, Reason.UNKNOWN_FEATURE}


def test_any_number_of_questions_costs_one_query(
    project: Project, django_assert_num_queries
) -> None:
    customer = CustomerFactory.create(project=project, user_id="ada")
    sso = FeatureFactory.create(project=project, code="sso")
    grant(customer, sso)
    for count in (1, 1000):
        questions = [
            Question("ada", "sso"),
            *(Question(f"u{n}", f"f{n}") for n in range(count - 1)),
        ]
        with django_assert_num_queries(1):
            decision_by_question = decisions.decide_static_many(
                project=project, questions=questions, at=NOW
            )
        assert decision_by_question[questions[0]].decision.allowed
        assert len(decision_by_question) == count
