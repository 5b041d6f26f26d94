"""Facts and decisions of every kind of feature."""

from datetime import UTC, datetime, timedelta

from entitlements.resolution.decision import (
    resolve,
)
from entitlements.resolution.facts import (
    ALLOW,
    DecisionFact,
    FeatureDefinition,
    Reason,
)
from entitlements.resolution.kinds import KINDS
from usage.periods import Unit

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


def metered(*facts, **kwargs):
    return decide(*facts, kind="metered", meter_id="mtr_1", **{"period": Unit.MONTH, **kwargs})
