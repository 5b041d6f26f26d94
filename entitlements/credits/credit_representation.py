"""How credits look outside: in answers, events and audit alike."""

from datetime import datetime
from typing import Annotated, Any, TypedDict

from common.bodies import Time, UserId
from common.times import rfc3339
from entitlements.credits.selectors.credit_history import CustomerCredits
from entitlements.models import CreditAccount, CreditGrant, CreditTransaction
from entitlements.models.credit_grant import CreditGrantStatus, CreditSource
from entitlements.resolution.credit_allocation import CreditBucket, CreditMovement
from projects.models import Customer


class CreditSourceBody(TypedDict):
    type: Annotated[str, CreditSource]
    id: Annotated[str | None, "Id of the subscription or checkout; null if given by hand."]


class CreditGrantBody(TypedDict):
    """Credits that came together. Whole numbers of credits throughout."""

    id: str
    user_id: UserId
    status: Annotated[str, CreditGrantStatus]
    source: CreditSourceBody
    product: str | None
    amount: Annotated[int, "What the source gives."]
    carried: Annotated[
        int, "What it gives less, for what was spent ahead of a period that ended early."
    ]
    due: Annotated[int, "What is left of the amount after refunds."]
    given: Annotated[int, "What went in, less what was taken back."]
    available: Annotated[int, "What can be spent, unless it has expired."]
    reserved: int
    withheld: Annotated[int, "Not to be spent for now: disputed, overdue or paused."]
    spent: int
    expired: int
    overspent: Annotated[int, "What was spent beyond what is due."]
    priority: Annotated[int, "The lowest number is spent first."]
    granted_at: Time
    expires_at: Time | None
    reason: str | None
    created_by: str | None
    revoked_at: Time | None
    revoked_by: str | None
    revoked_reason: str | None


class CreditsBody(TypedDict):
    """What one user has."""

    user_id: UserId
    customer: Annotated[str | None, "Our id; null for a user who has never had anything."]
    balance: Annotated[int, "What can be spent now."]
    reserved: int
    withheld: int
    low_at: Annotated[int, "From how many credits down they are low."]
    grants: list[CreditGrantBody]


class CreditEntryBody(TypedDict):
    grant: str
    bucket: Annotated[str, CreditBucket]
    amount: Annotated[int, "Into the bucket, or out of it if negative."]


class CreditTransactionBody(TypedDict):
    """One movement of a user's credits."""

    id: str
    movement: Annotated[str, CreditMovement]
    amount: Annotated[int, "How much moved."]
    balance: Annotated[int, "What could be spent after it."]
    feature: str | None
    key: str | None
    reservation: str | None
    reason: str | None
    actor: str | None
    occurred_at: Time
    entries: list[CreditEntryBody]


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


def customer_credits(credits_of_user: CustomerCredits, *, at: datetime) -> CreditsBody:
    """The balance of a user and its grants."""
    return {
        "user_id": credits_of_user.user_id,
        "customer": credits_of_user.customer_id,
        "balance": credits_of_user.balance,
        "reserved": credits_of_user.reserved,
        "withheld": credits_of_user.withheld,
        "low_at": credits_of_user.low_at,
        "grants": [grant(row, at=at) for row in credits_of_user.grants],
    }


def grant(row: CreditGrant, *, at: datetime) -> CreditGrantBody:
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
        "expires_at": rfc3339(row.expires_at),
        "reason": row.reason or None,
        "created_by": row.created_by or None,
        "revoked_at": rfc3339(row.revoked_at),
        "revoked_by": row.revoked_by or None,
        "revoked_reason": row.revoked_reason or None,
    }


def transaction(row: CreditTransaction) -> CreditTransactionBody:
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
