"""How credits look outside: in answers, events and audit alike."""

from datetime import datetime
from typing import Any

from common.times import rfc3339
from entitlements.credits.selectors.credit_history import Standing
from entitlements.models import CreditAccount, CreditGrant, CreditTransaction
from entitlements.models.credit_grant import CreditSource
from projects.models import Customer


def level(
    account: CreditAccount, customer: Customer, *, balance: int, low_at: int
) -> dict[str, Any]:
    """What the events about a balance carry."""
    return {
        "user_id": customer.user_id,
        "customer": customer.pk,
        "balance": balance,
        "low_at": low_at,
        "topped_up_to": account.topped_up_to,
    }


def standing(of: Standing, *, at: datetime) -> dict[str, Any]:
    """What one user has."""
    return {
        "user_id": of.user_id,
        "customer": of.customer_id,
        "balance": of.balance,
        "reserved": of.reserved,
        "withheld": of.withheld,
        "low_at": of.low_at,
        "grants": [grant(row, at=at) for row in of.grants],
    }


def grant(row: CreditGrant, *, at: datetime) -> dict[str, Any]:
    is_by_hand = row.source_type == CreditSource.OPERATOR
    return {
        "id": row.pk,
        "user_id": row.customer.user_id,
        "status": row.status(at),
        "source": {"type": row.source_type, "id": None if is_by_hand else row.source_id},
        "product": row.product_id or None,
        "amount": row.amount,
        "carried": row.carried,
        "due": row.due,
        "given": row.given,
        "available": row.available,
        "reserved": row.reserved,
        "withheld": row.withheld,
        "spent": row.spent,
        "expired": row.expired,
        "overspent": row.overspent,
        "priority": row.priority,
        "granted_at": rfc3339(row.granted_at),
        "expires_at": _moment(row.expires_at),
        "reason": row.reason or None,
        "created_by": row.created_by or None,
        "revoked_at": _moment(row.revoked_at),
        "revoked_by": row.revoked_by or None,
        "revoked_reason": row.revoked_reason or None,
    }


def transaction(row: CreditTransaction) -> dict[str, Any]:
    """One line of a customer's history, with its entries."""
    return {
        "id": row.pk,
        "movement": row.movement,
        "amount": row.amount,
        "balance": row.balance,
        "feature": row.feature or None,
        "key": row.key,
        "reservation": row.reference or None,
        "reason": row.reason or None,
        "actor": row.actor or None,
        "occurred_at": rfc3339(row.occurred_at),
        "entries": [
            {"grant": entry.grant_id, "bucket": entry.bucket, "amount": entry.amount}
            for entry in row.entries.all()
        ],
    }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
