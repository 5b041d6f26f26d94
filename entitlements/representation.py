"""How features, decisions and grants look outside: in answers, events, cache and audit alike."""

from datetime import datetime
from typing import Any

import orjson

from common.times import rfc3339
from entitlements.models import Feature, FreeTierEntry, Grant, Reservation
from entitlements.resolution.decision import Decision, Fact, Standing
from entitlements.resolution.explanation import Explanation


def feature(row: Feature) -> dict[str, Any]:
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
        "archived_at": _moment(row.archived_at),
    }


def free_feature(row: FreeTierEntry) -> dict[str, Any]:
    return {"feature": row.feature.code, "kind": row.feature.kind, "value": row.value}


def decision(made: Decision) -> dict[str, Any]:
    return {
        "feature": made.feature,
        "allowed": made.allowed,
        "reason": made.reason.value,
        "value": made.value,
        "limit": made.limit,
        "used": made.used,
        "remaining": made.remaining,
        "resets_at": _moment(made.resets_at),
        "valid_until": _moment(made.valid_until),
        "version": made.version,
        "sources": [{"type": source.type, "id": source.id} for source in made.sources],
    }


def encoded(made: Decision) -> bytes:
    """The decision as JSON, ready to be sent."""
    return orjson.dumps(decision(made))


def explanation(of: Explanation) -> dict[str, Any]:
    """The way to a decision: in one sentence, and step by step."""
    return {
        "sentence": of.sentence,
        "steps": [
            {
                "step": each.name.value,
                "text": each.text,
                "facts": [_fact(fact) for fact in each.facts],
                "data": {name: _plain(value) for name, value in each.data.items()},
            }
            for each in of.steps
        ],
    }


def explained(of: Explanation) -> dict[str, Any]:
    """The decision, and the way to it."""
    return {**decision(of.decision), "explanation": explanation(of)}


def _fact(fact: Fact) -> dict[str, Any]:
    return {
        "source": {"type": fact.source.type, "id": fact.source.id},
        "effect": fact.effect,
        "value": fact.value,
        "reason": fact.reason.value,
        "starts_at": rfc3339(fact.starts_at),
        "ends_at": _moment(fact.ends_at),
    }


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def standing(of: Standing) -> dict[str, Any]:
    """Everything that a user may do."""
    return {
        "user_id": of.user_id,
        "customer": of.customer_id,
        "version": of.version,
        "entitlements": [decision(made) for made in of.decisions.values()],
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
        "starts_at": rfc3339(row.starts_at),
        "expires_at": _moment(row.expires_at),
        "created_by": row.created_by,
        "created_at": rfc3339(row.created_at),
        "revoked_at": _moment(row.revoked_at),
        "revoked_by": row.revoked_by or None,
        "revoked_reason": row.revoked_reason or None,
    }


def reservation(row: Reservation, *, at: datetime) -> dict[str, Any]:
    return {
        "id": row.pk,
        "user_id": row.customer.user_id,
        "feature": row.feature.code,
        "amount": row.amount,
        "credits": row.credits,
        "status": row.status(at).value,
        "committed_amount": row.committed_amount,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "committed_at": _moment(row.committed_at),
        "released_at": _moment(row.released_at),
    }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
