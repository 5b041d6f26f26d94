"""Grants in responses, events and the audit trail."""

from datetime import datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from common.bodies import Time, UserId
from common.times import rfc3339
from entitlements.models import Grant
from entitlements.models.grant import GrantStatus
from entitlements.resolution.kinds import Value


class GrantedBody(TypedDict):
    feature: str
    value: NotRequired[Annotated[Value, "Absent if the grant's effect is `deny`."]]


class GrantBody(TypedDict):
    """Access that an operator or your software gives (effect `allow`) or takes away (`deny`)."""

    id: str
    user_id: UserId
    effect: Annotated[str, Literal["allow", "deny"]]
    status: Annotated[str, GrantStatus]
    features: list[GrantedBody]
    product: str | None
    reason: str
    starts_at: Time
    expires_at: Time | None
    created_by: str
    created_at: Time
    revoked_at: Time | None
    revoked_by: str | None
    revoked_reason: str | None


def grant(row: Grant, *, at: datetime) -> GrantBody:
    return {
        "id": row.pk,
        "user_id": row.customer.user_id,
        "effect": row.effect,
        "status": row.status(at),
        "features": row.features,
        "product": row.product_id or None,
        "reason": row.reason,
        "starts_at": rfc3339(row.starts_at),
        "expires_at": rfc3339(row.expires_at),
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
        "revoked_at": rfc3339(row.revoked_at),
        "revoked_by": row.revoked_by or None,
        "revoked_reason": row.revoked_reason or None,
    }
