"""An explanation lists the steps of a decision and sums them up in a sentence."""

import pytest

from entitlements import representation
from entitlements.resolution.decision import (
    DecisionAmounts,
)
from entitlements.resolution.explanation import ExplanationStepName, explain
from entitlements.resolution.facts import (
    DENY,
    FeatureDefinition,
    Reason,
    Source,
)
from entitlements.resolution.kinds import KINDS
from tests.entitlements.resolution.kind_facts import DAY, NOW, TICK, fact
from usage.periods import Unit


def test_explanation_goes_step_by_step():
    definition = FeatureDefinition("it", "metered", meter_id="mtr_1", period=Unit.MONTH)
    some = [
        fact(5, source="sub_1"),
        fact("no number", "checkout", "chk_1"),
        fact(3, "free_tier", "free_1"),
        fact(9, "grant", "grant_1", ends_at=NOW - TICK),
        fact(9, "grant", "grant_2", starts_at=NOW + DAY),
    ]
    explanation = explain(
        some,
        feature="it",
        definition=definition,
        at=NOW,
        amounts=DecisionAmounts(used=4, reserved=1),
        ended_sources=[Source("subscription", "sub_0")],
    )
    shown = {each["step"]: each for each in representation.explanation(explanation)["steps"]}
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
    assert explanation.sentence == (
        "No: all 5 of it are used or set aside until the next period begins on "
        "2026-12-01T00:00:00Z."
    )
    assert [step.name for step in explanation.steps] == [
        name for name in ExplanationStepName if name in {step.name for step in explanation.steps}
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
    explanation = explain(
        facts, feature="it", definition=definition, at=NOW, amounts=DecisionAmounts(*figures)
    )
    assert explanation.sentence == sentence
    missing = explain([], feature="warp", definition=None, at=NOW)
    assert missing.sentence == "No: the project has no feature warp."
