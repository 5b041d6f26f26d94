"""The free tier as JSON."""

from collections.abc import Iterable
from typing import Annotated, TypedDict

from entitlements.models import FreeTierEntry
from entitlements.models.feature import FeatureKind
from entitlements.resolution.kinds import FeatureValue


class FreeTierEntryBody(TypedDict):
    feature: str
    kind: Annotated[str, FeatureKind]
    value: FeatureValue


class FreeTierBody(TypedDict):
    features: list[FreeTierEntryBody]


def free_tier(rows: Iterable[FreeTierEntry]) -> FreeTierBody:
    return {
        "features": [
            {"feature": row.feature.code, "kind": row.feature.kind, "value": row.value}
            for row in rows
        ]
    }
