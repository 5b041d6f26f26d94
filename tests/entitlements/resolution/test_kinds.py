"""Each kind of feature and each merge rule resolves and is explained by its table."""

from datetime import UTC, datetime

import pytest

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
)
from entitlements.resolution.facts import (
    DENY,
    Reason,
)
from entitlements.resolution.kinds import KINDS, PRIORITY, SUM
from entitlements.resolution.merging import RANKS
from tests.entitlements.resolution.kind_facts import DAY, NOW, TICK, decide, fact, metered
from usage.periods import Period, Unit


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
    resolved = decide(
        *(fact(each, source=key) for key, each in values.items()), kind=kind, merge=merge
    )
    assert (resolved.value, type(resolved.value)) == (value, type(value))
    assert "".join(source.id for source in resolved.sources) == sources
    assert resolved.allowed is (value != 0 or kind == "config")


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
    facts = [fact(5, part="prod_1"), fact(5, part="prod_2"), fact(5, part="prod_2")]
    assert decide(*facts, merge="sum").value == 10


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
    resolved = metered(unpaid, **anchored)
    assert (resolved.metering.period.extended_from, resolved.metering_until) == (anchor, None)
    assert metered(unpaid).metering.period == Period(Unit.MONTH), "by the calendar"
    for granted in (paid, fact(100, "grant", anchored_at=anchor + DAY)):
        for facts in ([unpaid, granted], [granted, unpaid]):
            assert metered(*facts, **anchored).metering.period == Period(Unit.MONTH, anchor + DAY)
    both = metered(unpaid, paid, merge="sum", **anchored)
    assert both.metering.period.extended_from == anchor
    assert metered(unpaid, fact(5, "free_tier"), **anchored).metering == resolved.metering
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
    decision = apply_usage(static, used=used, reserved=reserved, at=NOW)
    assert (decision.allowed, decision.used, decision.remaining) == (allowed, used, remaining)
    assert (decision.value, decision.limit) == (limit, limit)
    assert decision.reason is (
        Reason.ENTITLED if allowed else Reason.LIMIT_REACHED if limit else Reason.NOT_ENTITLED
    )
    assert decision.resets_at == decision.valid_until == datetime(2026, 12, 1, tzinfo=UTC)
    sooner = apply_usage(metered(fact(limit, ends_at=NOW + DAY)), used=0, reserved=0, at=NOW)
    assert sooner.valid_until == NOW + DAY
    forever = apply_usage(metered(fact(limit), period=Unit.LIFETIME), used=0, reserved=0, at=NOW)
    assert (forever.resets_at, forever.valid_until) == (None, None)


@pytest.mark.parametrize(
    ("cost", "balance", "allowed", "remaining"),
    [(5, 15, True, 3), (5, 14, True, 2), (5, 4, False, 0), (5, -5, False, 0), (0, 0, True, None)],
)
def test_credits_must_pay_for_one_use(cost, balance, allowed, remaining):
    decision = apply_balance(decide(fact(cost), kind="credits"), balance=balance)
    assert (decision.allowed, decision.remaining, decision.value) == (allowed, remaining, cost)
    assert decision.reason is (Reason.ENTITLED if allowed else Reason.CREDITS_EXHAUSTED)


def test_usage_does_not_change_decisions_that_need_none():
    for decision in (decide(fact(5)), decide(kind="credits"), decide(fact("x"), kind="config")):
        assert complete_decision(decision, amounts=DecisionAmounts(3, 2, 1), at=NOW) == decision
    assert decide(fact(5)).is_whole
    assert not decide(fact(5), kind="credits").is_whole
    assert not metered(fact(5)).is_whole
