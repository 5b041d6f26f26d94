"""How decisions and grants look outside: the same in answers, events, cache and audit."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from entitlements.models import Grant
from entitlements.resolution import Decision
from projects.models import Customer


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the microsecond."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def decision(made: Decision) -> dict[str, Any]:
    return {
        "feature": made.feature,
        "allowed": made.allowed,
        "reason": made.reason.value,
        "value": made.value,
        "limit": made.limit,
        "used": made.used,
        "remaining": made.remaining,
        "resets_at": moment(made.resets_at),
        "valid_until": moment(made.valid_until),
        "version": made.version,
        "sources": [{"type": source.type, "id": source.id} for source in made.sources],
    }


def state(customer: Customer, decisions: Iterable[Decision]) -> dict[str, Any]:
    """Everything that a customer may do."""
    return {
        "user_id": customer.user_id,
        "customer": customer.pk,
        "version": customer.version,
        "entitlements": [decision(made) for made in decisions],
    }


def grant(row: Grant, *, at: datetime) -> dict[str, Any]:
    return {
        "id": row.pk,
        "user_id": row.customer.user_id,
        "effect": row.effect,
        "status": row.status(at),
        "features": row.features,
        "product": row.product_id or None,
        "reason": row.reason,
        "starts_at": moment(row.starts_at),
        "expires_at": moment(row.expires_at),
        "created_by": row.created_by,
        "created_at": moment(row.created_at),
        "revoked_at": moment(row.revoked_at),
        "revoked_by": row.revoked_by or None,
        "revoked_reason": row.revoked_reason or None,
    }
