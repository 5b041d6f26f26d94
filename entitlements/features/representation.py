"""Features in responses and in the audit trail."""

from typing import Annotated, TypedDict

from common.bodies import Time
from common.times import rfc3339
from entitlements.models import Feature
from entitlements.models.feature import PERIODS, FeatureKind, Merge


class FeatureBody(TypedDict):
    """A capability of your product that a user has or does not have."""

    id: str
    code: str
    name: str
    kind: Annotated[str, FeatureKind]
    unit: str
    merge: Annotated[str, Merge]
    meter: Annotated[str | None, "Of a metered feature: the code of its meter."]
    period: Annotated[str, tuple(PERIODS)] | None
    anchored: bool
    created_at: Time
    archived_at: Time | None


def feature(row: Feature) -> FeatureBody:
    return {
        "id": row.pk,
        "code": row.code,
        "name": row.name,
        "kind": row.kind,
        "unit": row.unit,
        "merge": row.merge,
        "meter": row.meter.code if row.meter else None,
        "period": row.period or None,
        "anchored": row.is_anchored,
        "created_at": rfc3339(row.created_at),
        "archived_at": rfc3339(row.archived_at),
    }
