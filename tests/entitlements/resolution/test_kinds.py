"""Each kind of feature and each merge rule resolves and is explained by its table."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from entitlements import representation
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import partial
from entitlements.models.fact import SourceType
from entitlements.models.feature import FeatureKind, Merge
from entitlements.resolution import kinds
from entitlements.resolution.decision import (
    DecisionAmounts,
    Metering,
    apply_balance,
    apply_usage,
    complete_decision,
    resolve,
    resolve_all,
)
from entitlements.resolution.explanation import ExplanationStepName, explain
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
from entitlements.resolution.kinds import KINDS, PRIORITY, SUM
from entitlements.resolution.merging import RANKS
from usage.periods import Period, Unit

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
REASONS = {
    "subscription": Reason.ENTITLED,
    "checkout": Reason.ENTITLED,
    "grant": Reason.GRANTED,
    "free_tier": Reason.FREE_TIER,
}


def fact(value, source_type="subscription", source="1", **kwargs):
    return DecisionFact(
        **{
            "source_type": source_type,
            "source_id": source,
            "effect": ALLOW,
            "feature": "it",
            "value": value,
            "reason": REASONS[source_type],
            "starts_at": NOW - DAY,
            **kwargs,
        }
    )


def decide(*facts, kind="limit", merge=None, at=NOW, **kwargs):
    definition = FeatureDefinition("it", kind, merge or KINDS[kind].merges[0], **kwargs)
    return resolve(facts, definition=definition, at=at)


def test_models_and_rules_share_their_constants():
    assert set(KINDS) == set(FeatureKind.values)
    assert {kinds.MOST_GENEROUS, SUM, PRIORITY} == set(Merge.values)
    assert set(RANKS) == set(SourceType.values)
    assert {merge for kind in KINDS.values() for merge in kind.merges} == set(Merge.values)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("boolean", [True], [False, None, 1, "true"]),
        ("metered", [0, 5, None, 2**53 - 1], [-1, True, 1.5, 2**53, "5"]),
        ("credits", [0, 1, 2**53 - 1], [None, -1, True, 0.5, 2**53, "1"]),
        (
            "config",
            [False, 0, -7, 1.5, "", "dark", [], {}, {"a": [None, {"b": True}]}, "x" * 2046],
            [None, "x" * 2047, "a\x00b", "\ud800", 2**53, 1e300, float("inf"), [10**400], {1: 2}],
        ),
    ],
)
def test_each_kind_accepts_its_values_only(kind, good, bad):
    assert [value for value in good if not KINDS[kind].accepts(value)] == []
    assert [value for value in bad if KINDS[kind].accepts(value)] == []


@pytest.mark.parametrize(
    ("kind", "merge", "values", "value", "sources"),
    [
        ("limit", "sum", {"a": 5, "b": 7, "c": 0}, 12, "ab"),
        ("limit", "sum", {"a": 5, "b": None}, None, "b"),
        ("limit", "sum", {"a": 2**53 - 1, "b": 7}, 2**53 - 1, "ab"),
        ("limit", "sum", {"a": 0, "b": 0}, 0, "ab"),
        ("limit", "priority", {"b": 5, "a": 7}, 7, "a"),
        ("metered", "most_generous", {"a": 5, "b": 7}, 7, "b"),
        ("credits", "most_generous", {"a": 5, "b": 3, "c": 3}, 3, "bc"),
        ("credits", "priority", {"a": 5, "b": 3}, 5, "a"),
        ("config", "priority", {"b": "light", "a": {"is": "dark"}}, {"is": "dark"}, "a"),
        ("config", "priority", {"a": True}, True, "a"),
        ("config", "priority", {"a": False}, False, "a"),
    ],
)
def test_several_sources_merge_by_the_rule(kind, merge, values, value, sources):
    made = decide(*(fact(each, source=key) for key, each in values.items()), kind=kind, merge=merge)
    assert (made.value, type(made.value)) == (value, type(value))
    assert "".join(source.id for source in made.sources) == sources
    assert made.allowed is (value != 0 or kind == "config")


def test_priority_goes_by_the_kind_of_source_then_the_newest_then_its_id():
    free = fact(1, "free_tier")
    bought = fact(2, "checkout")
    monthly = fact(3, "subscription")
    older, newer, twin = (
        fact(4, "grant", "b"),
        fact(5, "grant", "c", starts_at=NOW - DAY + TICK),
        fact(6, "grant", "d", starts_at=NOW - DAY + TICK),
    )
    ladder = [free, bought, monthly, older, twin, newer]
    for count in range(1, len(ladder) + 1):
        assert decide(*ladder[:count], merge="priority").value == ladder[count - 1].value
    zero = fact(0, "grant")
    overruled = decide(zero, monthly, merge="priority")
    assert (overruled.allowed, overruled.reason, overruled.sources) == (
        False,
        Reason.NOT_ENTITLED,
        (zero.source,),
    )


def test_two_products_of_one_source_add_up_and_duplicates_do_not():
    said = [fact(5, part="prod_1"), fact(5, part="prod_2"), fact(5, part="prod_2")]
    assert decide(*said, merge="sum").value == 10


def test_free_tier_is_named_last_among_equals_and_a_denial_beats_it():
    both = decide(fact(True, "free_tier"), fact(True), kind="boolean")
    assert both.reason is Reason.ENTITLED
    assert decide(fact(True, "free_tier"), kind="boolean").reason is Reason.FREE_TIER
    denial = fact(None, effect=DENY, reason=Reason.HELD)
    assert decide(fact(True, "free_tier"), denial, kind="boolean").reason is Reason.HELD


def test_windows_begin_in_paid_time():
    """The rule for several sources: what is enough by itself needs no other's money."""
    anchor = NOW - 40 * DAY
    unpaid = fact(100, anchored_at=anchor, paid_until=NOW - 10 * DAY)
    paid = fact(100, source="2", anchored_at=anchor + DAY, paid_until=NOW + DAY)
    anchored = {"is_anchored": True}
    held = metered(unpaid, **anchored)
    assert (held.metering.period.extended_from, held.metering_until) == (anchor, None)
    assert metered(unpaid).metering.period == Period(Unit.MONTH), "by the calendar"
    for granted in (paid, fact(100, "grant", anchored_at=anchor + DAY)):
        for facts in ([unpaid, granted], [granted, unpaid]):
            assert metered(*facts, **anchored).metering.period == Period(Unit.MONTH, anchor + DAY)
    both = metered(unpaid, paid, merge="sum", **anchored)
    assert both.metering.period.extended_from == anchor
    assert metered(unpaid, fact(5, "free_tier"), **anchored).metering == held.metering
    more = fact(200, "grant", starts_at=NOW - 2 * DAY)
    assert metered(unpaid, more, **anchored).metering.period.extended_from is None


def test_an_answer_is_kept_until_its_window_is_no_longer_paid():
    anchor = NOW - 40 * DAY
    bought = fact(100, anchored_at=anchor, paid_until=NOW + DAY)
    decision = metered(bought, is_anchored=True)
    ends_at = decision.metering.period.window(NOW).ends_at
    assert (decision.valid_until, decision.keepable_until) == (None, ends_at)
    assert apply_usage(decision, used=1, reserved=0, at=NOW).resets_at == ends_at
    later = metered(bought, is_anchored=True, at=ends_at)
    whole = apply_usage(later, used=70, reserved=10, at=ends_at)
    assert (whole.remaining, whole.resets_at, whole.valid_until) == (20, None, None)
    assert later == decision, "what the customer may do is told as the same"
    again = partial.decode(partial.encode(StaticDecision("cus_1", later))).decision
    assert (again.metering, again.metering_until) == (later.metering, later.metering_until)
    again = partial.decode(partial.encode(StaticDecision("cus_1", decision))).decision
    assert (again.metering, again.metering_until) == (decision.metering, ends_at)


def metered(*facts, **kwargs):
    return decide(*facts, kind="metered", meter_id="mtr_1", **{"period": Unit.MONTH, **kwargs})


def test_metered_answer_is_held_against_the_calendar_or_its_deciding_source():
    anchor = NOW - 40 * DAY
    bought, free = fact(100, anchored_at=anchor), fact(10, "free_tier")
    assert metered(bought).metering == Metering("mtr_1", Period(Unit.MONTH))
    assert metered().metering == Metering("mtr_1", Period(Unit.MONTH))
    anchored = {"is_anchored": True}
    assert metered(bought, free, **anchored).metering.period.anchor == anchor
    assert metered(free, **anchored).metering.period.anchor == free.starts_at
    assert metered(bought, free, merge="sum", **anchored).metering.period.anchor == anchor
    assert metered(**anchored).metering is None
    denial = fact(None, effect=DENY, reason=Reason.REVOKED)
    assert metered(bought, denial, **anchored).metering is None


@pytest.mark.parametrize(
    ("limit", "used", "reserved", "allowed", "remaining"),
    [
        (10, 0, 0, True, 10),
        (10, 9, 0, True, 1),
        (10, 10, 0, False, 0),
        (10, 9, 1, False, 0),
        (10, 99, 0, False, 0),
        (None, 99, 9, True, None),
        (0, 0, 0, False, 0),
    ],
)
def test_used_and_reserved_amounts_count_against_the_limit(
    limit, used, reserved, allowed, remaining
):
    static = metered(fact(limit, ends_at=NOW + 400 * DAY))
    made = apply_usage(static, used=used, reserved=reserved, at=NOW)
    assert (made.allowed, made.used, made.remaining) == (allowed, used, remaining)
    assert (made.value, made.limit) == (limit, limit)
    assert made.reason is (
        Reason.ENTITLED if allowed else Reason.LIMIT_REACHED if limit else Reason.NOT_ENTITLED
    )
    assert made.resets_at == made.valid_until == datetime(2026, 12, 1, tzinfo=UTC)
    sooner = apply_usage(metered(fact(limit, ends_at=NOW + DAY)), used=0, reserved=0, at=NOW)
    assert sooner.valid_until == NOW + DAY
    forever = apply_usage(metered(fact(limit), period=Unit.LIFETIME), used=0, reserved=0, at=NOW)
    assert (forever.resets_at, forever.valid_until) == (None, None)


@pytest.mark.parametrize(
    ("cost", "balance", "allowed", "remaining"),
    [(5, 15, True, 3), (5, 14, True, 2), (5, 4, False, 0), (5, -5, False, 0), (0, 0, True, None)],
)
def test_credits_must_pay_for_one_use(cost, balance, allowed, remaining):
    made = apply_balance(decide(fact(cost), kind="credits"), balance=balance)
    assert (made.allowed, made.remaining, made.value) == (allowed, remaining, cost)
    assert made.reason is (Reason.ENTITLED if allowed else Reason.CREDITS_EXHAUSTED)


def test_usage_does_not_change_decisions_that_need_none():
    for made in (decide(fact(5)), decide(kind="credits"), decide(fact("x"), kind="config")):
        assert complete_decision(made, amounts=DecisionAmounts(3, 2, 1), at=NOW) == made
    assert decide(fact(5)).is_whole
    assert not decide(fact(5), kind="credits").is_whole
    assert not metered(fact(5)).is_whole


DEFINED = {
    f"{kind}.{merge}.{anchored}": FeatureDefinition(
        f"{kind}.{merge}.{anchored}",
        kind,
        merge,
        meter_id="mtr_1" if kind == "metered" else None,
        period=Unit.MONTH if kind == "metered" else None,
        is_anchored=anchored,
    )
    for kind, rules in KINDS.items()
    for merge in rules.merges
    for anchored in ([False, True] if kind == "metered" else [False])
}
CODES = list(DEFINED)
VALUES = [True, False, None, -1, 0, 1, 5, 5, 40, "x", [1], {"a": 1}, 2**53 - 1, 2**60]
SOURCES = list(REASONS)


def random_fact(random: Random, codes: list[str]) -> DecisionFact:
    is_denial = random.random() < 0.06
    source_type = random.choice(SOURCES)
    return DecisionFact(
        source_type=source_type,
        source_id=f"s{random.randrange(4)}",
        effect=DENY if is_denial else ALLOW,
        feature=random.choice(codes),
        value=random.choice(VALUES),
        reason=random.choice(DENYING if is_denial else ALLOWING),
        starts_at=NOW + timedelta(hours=random.randrange(-8, 3)),
        ends_at=random.choice([None, None, NOW + timedelta(hours=random.randrange(-4, 12))]),
        anchored_at=random.choice([None, NOW - 50 * DAY]),
        part=random.choice(["", "prod_1"]),
        paid_until=random.choice([None, None, NOW - 40 * DAY, NOW + DAY]),
    )


def test_ten_thousand_sets_of_facts_in_five_orders_have_one_answer_and_its_explanation():
    random = Random(20261121)
    seen = set()
    for number in range(10_000):
        codes = random.sample(CODES, k=2)
        defined = {code: DEFINED[code] for code in codes}
        some = [random_fact(random, codes) for _ in range(random.randrange(9))]
        expected = resolve_all(some, features=defined, at=NOW)
        metering = {code: each.metering for code, each in expected.items()}
        for _ in range(5):
            shuffled = some + random.sample(some, k=len(some) // 3)
            random.shuffle(shuffled)
            again = resolve_all(shuffled, features=defined, at=NOW)
            assert again == expected
            assert {code: each.metering for code, each in again.items()} == metering
        code, figures = (
            random.choice(codes),
            DecisionAmounts(*(random.randrange(9) for _ in range(3))),
        )
        whole = complete_decision(expected[code], amounts=figures, at=NOW)
        assert whole.allowed == (whole.reason in ALLOWING)
        seen.add((DEFINED[code].kind, whole.reason))
        if number % 4 == 0:
            told = explain(some, feature=code, definition=DEFINED[code], at=NOW, amounts=figures)
            assert told.decision == whole
            assert told.sentence.startswith("Yes: " if whole.allowed else "No: ")
            assert told.sentence.count(". ") == 0
    assert {kind for kind, _ in seen} == set(KINDS)
    assert {reason for _, reason in seen} == set(Reason) - {Reason.UNKNOWN_FEATURE}


def test_a_thousand_boundaries_are_right_to_the_microsecond_for_every_kind():
    random = Random(7)
    for number in range(1000):
        definition = DEFINED[CODES[number % len(CODES)]]
        start = NOW + timedelta(microseconds=random.randrange(10**12))
        end = start + timedelta(microseconds=random.randrange(1, 10**12))
        value = {"boolean": True, "config": "x"}.get(definition.kind, 1)
        one = fact(value, feature=definition.code, starts_at=start, ends_at=end)
        moments = (start - TICK, start, end - TICK, end, end + TICK)
        made = [resolve([one], definition=definition, at=moment) for moment in moments]
        assert [each.allowed for each in made] == [False, True, True, False, False]
        assert [each.valid_until for each in made] == [start, end, end, None, None]


def test_explanation_goes_step_by_step():
    definition = FeatureDefinition("it", "metered", meter_id="mtr_1", period=Unit.MONTH)
    some = [
        fact(5, source="sub_1"),
        fact("no number", "checkout", "chk_1"),
        fact(3, "free_tier", "free_1"),
        fact(9, "grant", "grant_1", ends_at=NOW - TICK),
        fact(9, "grant", "grant_2", starts_at=NOW + DAY),
    ]
    told = explain(
        some,
        feature="it",
        definition=definition,
        at=NOW,
        amounts=DecisionAmounts(used=4, reserved=1),
        ended_sources=[Source("subscription", "sub_0")],
    )
    shown = {each["step"]: each for each in representation.explanation(told)["steps"]}
    assert list(shown) == ["facts", "time", "merge", "free_tier", "metering", "answer"]
    assert [each["source"]["id"] for each in shown["facts"]["facts"]] == [
        "chk_1", "free_1", "grant_1", "sub_1", "grant_2"]  # fmt: skip
    assert shown["facts"]["data"] == {"silent": [{"type": "subscription", "id": "sub_0"}]}
    assert shown["time"]["data"] == {"holding": 3, "later": 1, "over": 1}
    assert shown["merge"]["data"] == {"rule": "most_generous", "ignored": 1, "value": 5}
    assert shown["free_tier"]["data"] == {"decides": False}
    assert shown["metering"]["data"] == {
        "meter": "mtr_1",
        "period": "month",
        "starts_at": "2026-11-01T00:00:00Z",
        "resets_at": "2026-12-01T00:00:00Z",
        "limit": 5,
        "used": 4,
        "reserved": 1,
        "remaining": 0,
    }
    assert told.sentence == (
        "No: all 5 of it are used or set aside until the next period begins on "
        "2026-12-01T00:00:00Z."
    )
    assert [step.name for step in told.steps] == [
        name for name in ExplanationStepName if name in {step.name for step in told.steps}
    ]


@pytest.mark.parametrize(
    ("facts", "kind", "figures", "sentence"),
    [
        ([], "limit", (), "No: nothing gives it now."),
        ([fact(True, source="sub_1")], "boolean", (),
         "Yes: it is on, bought with subscription sub_1."),
        ([fact(25, "grant", "grant_1", ends_at=NOW + DAY)], "limit", (),
         "Yes: it goes up to 25, given by hand with grant grant_1, until 2026-11-22T12:00:00Z."),
        ([fact(None, "free_tier")], "limit", (),
         "Yes: it has no limit, as everybody has it in the free tier."),
        ([fact(None, "grant", "grant_1", effect=DENY, reason=Reason.REVOKED)], "limit", (),
         "No: it was taken away with grant grant_1, which beats whatever gives it."),
        ([fact(None, "checkout", "chk_1", effect=DENY, reason=Reason.HELD)], "limit", (),
         "No: it is withheld until a bank has decided about the payment for purchase chk_1."),
        ([fact(5, source="sub_1")], "credits", (0, 0, 4),
         "No: a use of it costs 5 credits and the balance is 4."),
        ([fact({"a": 1}, source="sub_1", reason=Reason.TRIAL)], "config", (),
         'Yes: it is {"a":1}, on trial with subscription sub_1.'),
        ([fact(0, source="sub_1")], "limit", (), "No: it comes to 0 with subscription sub_1."),
        ([fact(5, source="sub_1", ends_at=NOW), fact(9, "grant", "g", starts_at=NOW + TICK)],
         "limit", (), ("No: nothing gives it now; subscription sub_1 gave it until "
         "2026-11-21T12:00:00Z; grant g gives it from 2026-11-21T12:00:00.000001Z.")),
    ],
)  # fmt: skip
def test_an_explanation_has_a_summary_sentence(facts, kind, figures, sentence):
    definition = FeatureDefinition("it", kind, KINDS[kind].merges[0])
    told = explain(
        facts, feature="it", definition=definition, at=NOW, amounts=DecisionAmounts(*figures)
    )
    assert told.sentence == sentence
    missing = explain([], feature="warp", definition=None, at=NOW)
    assert missing.sentence == "No: the project has no feature warp."
