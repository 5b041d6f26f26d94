"""Decisions can be asked ``at=`` any time, with ``assume=`` and ``explain=1``."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.times import rfc3339
from entitlements import representation
from entitlements.credits import credit_grants
from entitlements.decisions.selectors import decisions, free_tier
from entitlements.decisions.selectors import facts as fact_selectors
from entitlements.features.selectors import features
from entitlements.free_tier import service as free_tier_service
from entitlements.models.fact import Effect, SourceType
from entitlements.models.feature import FeatureKind
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Question
from entitlements.resolution.evaluation_context import EvaluationContext
from entitlements.resolution.facts import Reason
from projects.models import Customer
from tests.entitlements.decisions.context_calls import CHECK, look
from tests.factories.entitlements import FeatureFactory, draft_fact, state
from tests.factories.projects import CustomerFactory
from tests.factories.usage import MeterFactory
from usage.records import recording
from usage.records.recording import UsageEntry

pytestmark = pytest.mark.django_db


SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def calls(project):
    meter = MeterFactory.create(project=project, code="calls")
    return FeatureFactory.create(
        project=project, code="calls", kind=FeatureKind.METERED, meter=meter, period="month"
    )


@pytest.fixture
def render(project):
    return FeatureFactory.create(project=project, code="render", kind=FeatureKind.CREDITS)


def use(project, value, at, user_id="ada"):
    [outcome] = recording.record(
        project=project,
        entries=[UsageEntry(user_id=user_id, meter="calls", value=value, occurred_at=at)],
        at=at,
    )
    assert outcome.status == "recorded", outcome


def give_credits(project, amount, at, user_id="ada"):
    credit_grants.give_by_hand(
        project=project, user_id=user_id, amount=amount, reason="Goodwill.", actor="me", at=at
    )


def test_metered_priced_and_config_answers_are_whole(api, project, customer, calls, render, theme):
    now = timezone.now()
    state(
        customer,
        draft_fact(calls, 10, starts_at=now - DAY),
        draft_fact(render, 5, starts_at=now - DAY),
        draft_fact(theme, {"name": "dark"}, starts_at=now - DAY),
        at=now - DAY,
    )
    use(project, 7, now)
    decision = look(api, "calls")
    assert [decision[name] for name in ("allowed", "limit", "used", "remaining")] == [
        True,
        10,
        7,
        3,
    ]
    assert decision["resets_at"] == decision["valid_until"]
    assert decision["resets_at"].endswith("T00:00:00Z")
    use(project, 3, now)
    for decision in (look(api, "calls", explain=1), look(api, "calls", explain=True)):
        assert (decision["allowed"], decision["reason"], decision["remaining"]) == (
            False,
            "limit_reached",
            0,
        )
        assert decision["explanation"]["sentence"].startswith("No: all 10 of calls")
    decision = look(api, "render", explain=1)
    assert (decision["allowed"], decision["reason"], decision["value"]) == (
        False,
        "credits_exhausted",
        5,
    )
    give_credits(project, 11, now)
    decision = look(api, "render", explain=1)
    assert (decision["allowed"], decision["remaining"]) == (True, 2)
    assert [each["step"] for each in decision["explanation"]["steps"]] == [
        "facts", "time", "merge", "credits", "answer"]  # fmt: skip
    assert look(api, "theme")["value"] == {"name": "dark"}
    assert look(api, "theme", user_id="nobody")["value"] is None
    everything = api.get("/entitlements", query={"user_id": "ada", "explain": 1}).json()
    for each in everything["entitlements"]:
        assert each == look(api, each["feature"], explain=1)


def random_change(random, customer, features, at):
    feature = random.choice(features)
    value = {"boolean": True, "config": random.choice(["a", {"b": 1}])}.get(
        feature.kind, random.choice([0, 3, 9])
    )
    ends_at = random.choice([None, at + random.randrange(1, 40) * SECOND])
    if random.random() < 0.2:
        free_tier_service.replace(
            project=customer.project,
            features=[(feature, value)] if random.random() < 0.7 else [],
            actor="me",
            at=at,
        )
        return
    source_type = random.choice([SourceType.SUBSCRIPTION, SourceType.GRANT])
    is_denial = source_type == SourceType.GRANT and random.random() < 0.3
    new_fact = draft_fact(
        feature,
        None if is_denial else value,
        starts_at=at + random.randrange(0, 20) * SECOND,
        ends_at=ends_at,
        effect=Effect.DENY if is_denial else Effect.ALLOW,
        reason=Reason.REVOKED if is_denial else Reason.ENTITLED,
    )
    claims = [] if random.random() < 0.2 else [new_fact]
    source = f"s{random.randrange(3)}"
    state(customer, *claims, source=source, source_type=source_type, at=at)


def test_decisions_at_past_and_future_times_use_the_facts_of_that_time(
    project, customer, sso, seats, theme
):
    """Also: what the database answers is what the function says of the same facts."""
    random = Random(20261121)
    kinds = [sso, seats, theme]
    questions = [Question(user, each.code) for user in ("ada", "nobody") for each in kinds]
    start = timezone.now() + SECOND
    answered = []
    for number in range(40):
        at = start + number * SECOND
        random_change(random, customer, kinds, at)
        decision_by_question = decisions.check_many(
            project=project, questions=questions, at=at + SECOND / 2
        )
        answered.append((at + SECOND / 2, decision_by_question))
        rows = fact_selectors.current(customer=customer)
        facts = [
            *fact_selectors.to_decision_facts(rows),
            *free_tier.facts(free_tier.entries(project=project, at=at), at=at),
        ]
        for each in kinds:
            assert decisions.check(
                project=project, user_id="ada", feature=each.code, at=at
            ) == resolution.resolve(
                facts,
                definition=features.definition(each),
                at=at,
                version=Customer.objects.for_project(project).get(pk=customer.pk).version,
            )
    now = at + DAY
    for moment, decision_by_question in answered:
        evaluation = EvaluationContext(at=moment, now=now)
        again = decisions.explain_many(project=project, questions=questions, context=evaluation)
        assert {question: each.decision for question, each in again.items()} == decision_by_question
    for later in (1, 3, 7, 20, 60):
        moment = at + later * SECOND
        evaluation = EvaluationContext(at=moment, now=at)
        seen = decisions.explain_many(project=project, questions=questions, context=evaluation)
        decision_by_question = decisions.check_many(project=project, questions=questions, at=moment)
        assert {question: each.decision for question, each in seen.items()} == decision_by_question


def test_usage_at_past_and_future_times(api, project, customer, calls, render):
    now = datetime.now(tz=UTC).replace(minute=30)
    born = now - 3 * DAY
    state(
        customer,
        draft_fact(calls, 10, starts_at=born),
        draft_fact(render, 5, starts_at=born),
        at=born,
    )
    type(calls).objects.for_project(project).update(created_at=born)
    give_credits(project, 10, now - DAY)
    use(project, 10, now - timedelta(hours=3))

    def usage_at(at):
        evaluation = EvaluationContext(at=at, now=now)
        questions = [Question("ada", "calls"), Question("ada", "render")]
        decisions_by_question = decisions.explain_many(
            project=project, questions=questions, context=evaluation
        )
        return [
            (each.decision.reason.value, each.decision.remaining)
            for each in decisions_by_question.values()
        ]

    today, window = now - timedelta(hours=6), timedelta(days=62)
    reached = ("limit_reached", 0)
    if today.month == now.month:
        assert usage_at(today) == [("entitled", 10), ("entitled", 2)]
        assert usage_at(now) == [reached, ("entitled", 2)]
    assert usage_at(now - 2 * DAY)[1] == ("credits_exhausted", 0)
    assert usage_at(now + window) == [("entitled", 10), ("entitled", 2)]


@pytest.mark.parametrize(
    "query",
    [
        {"at": ""},
        {"at": "yesterday"},
        {"at": "1999-12-31T23:59:59Z"},
        {"at": "2200-01-01T00:00:00Z"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "9999-12-31T23:59:59-14:00"},
        {"assume": ""},
        {"assume": "sso"},
        {"assume": "prod_nothing"},
        {"assume": "price_nothing"},
        {"assume": "sub_01"},
        {"assume": "grant:"},
        {"assume": "grant:warp"},
        {"assume": "grant:sso=1"},
        {"assume": "grant:sso="},
        {"assume": "grant:sso={"},
        {"explain": "maybe"},
        {"depth": "1"},
    ],
    ids=str,
)
def test_an_invalid_time_is_refused(api, customer, sso, query):
    for path, parameters in (
        (CHECK, {"user_id": "ada", "feature": "sso"}),
        ("/entitlements", {"user_id": "ada"}),
    ):
        response = api.get(path, query={**parameters, **query})
        assert response.status_code == 422, response.content
        assert response["Content-Type"] == "application/problem+json"


def test_a_thousand_pairs_cost_as_many_queries_as_one(project, calls, render, theme, seats, sso):
    now = timezone.now()
    people = [CustomerFactory.create(project=project, user_id=f"u{n}") for n in range(200)]
    for person in people[:20]:
        state(
            person,
            draft_fact(calls, 10, starts_at=now - DAY),
            draft_fact(render, 5, starts_at=now - DAY),
            at=now,
        )
    codes = [each.code for each in (calls, render, theme, seats, sso)]
    pairs = [Question(person.user_id, code) for person in people for code in codes]

    def queries(ask):
        with CaptureQueriesContext(connection) as seen:
            answers = ask()
        return len(answers), len(seen)

    one = [Question("u0", "calls"), Question("u0", "render")]
    evaluation = EvaluationContext(at=now + SECOND, now=now)
    few = queries(lambda: decisions.check_many(project=project, questions=one, at=now))
    many = queries(lambda: decisions.check_many(project=project, questions=pairs, at=now))
    explained = queries(
        lambda: decisions.explain_many(project=project, questions=pairs, context=evaluation)
    )
    assert (few[1], many, explained) == (4, (1000, 4), (1000, 7))
    plain = queries(lambda: decisions.check_many(project=project, questions=pairs[4:5], at=now))
    assert plain == (1, 1)


def test_a_shown_decision_leaves_internal_fields_out(project, customer, calls):
    decision = decisions.check(project=project, user_id="ada", feature="calls", at=timezone.now())
    assert set(representation.decision(decision)) == {
        "feature", "allowed", "reason", "value", "limit", "used", "remaining", "resets_at",
        "valid_until", "version", "sources"}  # fmt: skip
    assert decision.resets_at is not None
    assert rfc3339(decision.resets_at) == representation.decision(decision)["resets_at"]
