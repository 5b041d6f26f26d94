"""Random facts of every kind resolve the same in any order and change exactly at their bounds."""

from datetime import timedelta
from random import Random

from entitlements.resolution.decision import (
    DecisionAmounts,
    complete_decision,
    resolve,
    resolve_all,
)
from entitlements.resolution.explanation import explain
from entitlements.resolution.facts import (
    ALLOW,
    ALLOWING,
    DENY,
    DENYING,
    DecisionFact,
    FeatureDefinition,
    Reason,
)
from entitlements.resolution.kinds import KINDS
from tests.entitlements.resolution.kind_facts import DAY, NOW, REASONS, TICK, fact
from usage.periods import Unit

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
        code, usage_amounts = (
            random.choice(codes),
            DecisionAmounts(*(random.randrange(9) for _ in range(3))),
        )
        whole = complete_decision(expected[code], amounts=usage_amounts, at=NOW)
        assert whole.allowed == (whole.reason in ALLOWING)
        seen.add((DEFINED[code].kind, whole.reason))
        if number % 4 == 0:
            explanation = explain(
                some, feature=code, definition=DEFINED[code], at=NOW, amounts=usage_amounts
            )
            assert explanation.decision == whole
            assert explanation.sentence.startswith("Yes: " if whole.allowed else "No: ")
            assert explanation.sentence.count(". ") == 0
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
        decisions = [resolve([one], definition=definition, at=moment) for moment in moments]
        assert [each.allowed for each in decisions] == [False, True, True, False, False]
        assert [each.valid_until for each in decisions] == [start, end, end, None, None]
