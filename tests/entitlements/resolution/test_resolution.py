"""Resolution follows its rules in tables, properties and to the microsecond."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.models.fact import Effect
from entitlements.models.feature import FeatureKind
from entitlements.resolution.decision import Decision, decide_unknown_feature, resolve, resolve_all
from entitlements.resolution.facts import (
    ALLOW,
    ALLOWING,
    DENY,
    DENYING,
    DecisionFact,
    FeatureDefinition,
    Reason,
    Source,
)
from entitlements.resolution.kinds import KINDS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)


def fact(value=True, *, feature="sso", source="sub_1", **kwargs):
    return DecisionFact(
        **{
            "source_type": "subscription",
            "source_id": source,
            "effect": ALLOW,
            "feature": feature,
            "value": value,
            "reason": Reason.ENTITLED,
            "starts_at": NOW - DAY,
            **kwargs,
        }
    )


def denial(**kwargs):
    body = {"source": "grant_1", "reason": Reason.REVOKED, **kwargs}
    return fact(None, effect=DENY, **body)


def decide(*facts, kind="limit", at=NOW):
    return resolve(facts, definition=FeatureDefinition("sso", kind), at=at)


def test_no_facts_mean_a_denial():
    assert decide(kind="boolean") == Decision(
        feature="sso", allowed=False, reason=Reason.NOT_ENTITLED, value=False
    )
    assert decide(kind="limit") == Decision(
        feature="sso", allowed=False, reason=Reason.NOT_ENTITLED, value=0, limit=0
    )


def test_an_unknown_feature_has_its_own_reason():
    assert decide_unknown_feature("sso", version=3) == Decision(
        feature="sso", allowed=False, reason=Reason.UNKNOWN_FEATURE, value=False, version=3
    )


@pytest.mark.parametrize(
    ("values", "value", "allowed"),
    [
        ([10], 10, True),
        ([10, 25, 3], 25, True),
        ([10, None, 25], None, True),
        ([0], 0, False),
        ([0, 1], 1, True),
        ([True], 0, False),
        (["10"], 0, False),
        ([-1], 0, False),
        ([10.5], 0, False),
        ([2**53], 0, False),
        ([2**53 - 1], 2**53 - 1, True),
        (["10", 4], 4, True),
    ],
)
def test_the_largest_limit_wins_and_invalid_values_give_nothing(values, value, allowed):
    decision = decide(*(fact(each, source=f"sub_{each}") for each in values))
    assert (decision.value, decision.limit, decision.allowed) == (value, value, allowed)
    assert type(decision.value) is type(value)


@pytest.mark.parametrize("value", [False, 1, "true", None, [True]])
def test_boolean_is_true_or_nothing(value):
    assert not decide(fact(value), kind="boolean").allowed
    assert decide(fact(value), fact(True, source="sub_2"), kind="boolean").value is True


def test_sources_are_those_that_the_answer_follows_from():
    decision = decide(
        fact(500, source="sub_b"),
        fact(100, source="sub_c"),
        fact(500, source="grant_a", source_type="grant", reason=Reason.GRANTED),
    )
    assert decision.sources == (Source("grant", "grant_a"), Source("subscription", "sub_b"))
    assert decision.reason is Reason.ENTITLED


@pytest.mark.parametrize(("stronger", "weaker"), list(pairwise(ALLOWING)))
def test_of_equal_offers_the_strongest_reason_is_named(stronger, weaker):
    decision = decide(
        fact(reason=weaker, source="sub_1"), fact(reason=stronger, source="sub_2"), kind="boolean"
    )
    assert decision.reason is stronger


def test_better_offer_names_its_own_reason():
    decision = decide(fact(10), fact(20, source="sub_2", reason=Reason.TRIAL))
    assert (decision.value, decision.reason) == (20, Reason.TRIAL)


def test_denial_beats_everything_and_only_while_it_holds():
    facts = [fact(None), denial(starts_at=NOW, ends_at=NOW + DAY)]
    denied = decide(*facts)
    assert (denied.allowed, denied.reason, denied.value) == (False, Reason.REVOKED, 0)
    assert denied.sources == (Source("subscription", "grant_1"),)
    assert decide(*facts, at=NOW - TICK).allowed
    assert decide(*facts, at=NOW + DAY).allowed


def test_an_older_denial_counts_beside_a_newer_one():
    older = denial(source="grant_1", starts_at=NOW - 2 * DAY)
    newer = denial(source="sub_9", source_type="subscription", reason=Reason.HELD)
    lifted = denial(source="grant_2", ends_at=NOW - TICK)

    both = decide(older, newer, fact(5))
    assert (both.allowed, both.reason) == (False, Reason.REVOKED)
    assert {source.id for source in both.sources} == {"grant_1", "sub_9"}
    assert [source.id for source in decide(older, lifted, fact(5)).sources] == ["grant_1"]


@pytest.mark.parametrize(
    ("stronger", "weaker"), list(pairwise(("grant", "subscription", "checkout", "free_tier")))
)
def test_priority_goes_by_the_kind_of_source_before_the_newest(stronger, weaker):
    older = fact("dark", source="one", source_type=stronger, starts_at=NOW - 9 * DAY)
    newer = fact("light", source="two", source_type=weaker, starts_at=NOW - DAY)
    definition = FeatureDefinition("sso", "config", merge="priority")

    decision = resolve([newer, older], definition=definition, at=NOW)

    assert (decision.value, [source.id for source in decision.sources]) == ("dark", ["one"])


def test_of_one_kind_of_source_priority_takes_the_newest():
    older, newer = (
        fact(value, source=value, starts_at=NOW - days * DAY)
        for value, days in (("dark", 9), ("light", 1))
    )
    definition = FeatureDefinition("sso", "config", merge="priority")

    assert resolve([older, newer], definition=definition, at=NOW).value == "light"


def test_a_denial_is_named_before_a_dispute():
    held = fact(None, effect=DENY, reason=Reason.HELD, source="chk_1")
    assert decide(fact(5), held).reason is Reason.HELD
    both = decide(fact(5), held, denial())
    assert both.reason is Reason.REVOKED
    assert {source.id for source in both.sources} == {"grant_1", "chk_1"}


@pytest.mark.parametrize(
    ("offset", "allowed", "valid_until"),
    [
        (-TICK, False, NOW),
        (0 * TICK, True, NOW + DAY),
        (TICK, True, NOW + DAY),
        (DAY - TICK, True, NOW + DAY),
        (DAY, False, None),
        (DAY + TICK, False, None),
    ],
)
def test_fact_holds_from_its_start_until_just_before_its_end(offset, allowed, valid_until):
    decision = decide(fact(starts_at=NOW, ends_at=NOW + DAY), kind="boolean", at=NOW + offset)
    assert (decision.allowed, decision.valid_until) == (allowed, valid_until)


def test_one_period_follows_the_other_without_a_gap():
    facts = [
        fact(starts_at=NOW - DAY, ends_at=NOW),
        fact(starts_at=NOW, ends_at=NOW + DAY, source="sub_2"),
    ]
    for offset in (-TICK, 0 * TICK, TICK):
        assert decide(*facts, kind="boolean", at=NOW + offset).allowed


def test_empty_and_inverted_intervals_never_hold():
    for ends_at in (NOW, NOW - TICK):
        never = fact(starts_at=NOW, ends_at=ends_at)
        for offset in (-TICK, 0 * TICK, TICK):
            assert not decide(never, kind="boolean", at=NOW + offset).allowed


def test_other_features_do_not_matter():
    other = fact(feature="other", ends_at=NOW + DAY)
    assert decide(other) == decide()
    defined = {code: FeatureDefinition(code, "boolean") for code in ("sso", "other")}
    both = resolve_all([other, fact()], features=defined, at=NOW)
    assert list(both) == ["other", "sso"]
    assert both["sso"] == decide(fact(), kind="boolean")


def test_every_kind_of_the_model_has_rules_and_effects_have_one_spelling():
    assert set(KINDS) == set(FeatureKind.values)
    assert {ALLOW, DENY} == {Effect.ALLOW, Effect.DENY}


MOMENTS = st.integers(-8, 8).map(lambda hours: NOW + timedelta(hours=hours))
VALUES = st.one_of(st.booleans(), st.none(), st.integers(-2, 40), st.sampled_from(["x", 2**60]))


@st.composite
def facts(draw):
    is_denial = draw(st.integers(0, 7)) == 0
    return DecisionFact(
        source_type=draw(st.sampled_from(["subscription", "checkout", "grant"])),
        source_id=f"s{draw(st.integers(0, 5))}",
        effect=DENY if is_denial else ALLOW,
        feature=draw(st.sampled_from(["sso", "seats"])),
        value=None if is_denial else draw(VALUES),
        reason=draw(st.sampled_from(DENYING if is_denial else ALLOWING)),
        starts_at=draw(MOMENTS),
        ends_at=draw(st.none() | MOMENTS),
    )


KNOWN = {"sso": FeatureDefinition("sso", "boolean"), "seats": FeatureDefinition("seats", "limit")}
many = settings(max_examples=300, deadline=None, database=None)


@many
@given(st.lists(facts(), max_size=9), MOMENTS)
def test_answer_stands_until_valid_until_and_no_boundary_hides_before_it(some, at):
    for code, decision in resolve_all(some, features=KNOWN, at=at).items():
        end = decision.valid_until
        assert end is None or end > at
        later = [at + TICK, at + timedelta(minutes=30), NOW + timedelta(days=400)]
        later = [each for each in later if end is None or each < end]
        later += [] if end is None else [end - TICK]
        for moment in later:
            assert resolve(some, definition=KNOWN[code], at=moment) == decision


@many
@given(st.lists(facts(), max_size=9), facts(), MOMENTS)
def test_more_permission_never_takes_away_and_a_denial_never_gives(some, another, at):
    before = resolve_all(some, features=KNOWN, at=at)
    after = resolve_all([*some, another], features=KNOWN, at=at)
    for code in KNOWN:
        if another.effect == ALLOW:
            assert after[code].allowed >= before[code].allowed
        else:
            assert after[code].allowed <= before[code].allowed


@many
@given(st.lists(facts(), max_size=9), MOMENTS)
def test_answer_is_consistent_with_itself(some, at):
    for code, decision in resolve_all(some, features=KNOWN, at=at).items():
        assert decision.allowed == (decision.reason in ALLOWING)
        assert list(decision.sources) == sorted(set(decision.sources))
        if decision.allowed:
            assert decision.sources
        if code == "sso":
            assert (decision.value, decision.limit) == (decision.allowed, None)
        else:
            assert decision.value == decision.limit
            assert decision.allowed == (decision.value is None or decision.value > 0)
