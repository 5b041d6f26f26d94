"""Credits as JSON, the same in responses, events and the audit trail."""

from datetime import datetime
from typing import Annotated, TypedDict

from common.bodies import Time, UserId
from common.times import rfc3339
from entitlements.credits.selectors.credit_history import CustomerCredits
from entitlements.models import CreditAccount, CreditGrant, CreditTransaction
from entitlements.models.credit_grant import CreditGrantStatus, CreditSource
from entitlements.resolution.credit_allocation import CreditBucket, CreditMovement
from projects.models import Customer


class CreditSourceBody(TypedDict):
    type: Annotated[str, CreditSource]
    id: Annotated[str | None, "Id of the subscription or checkout; null if an operator gave them."]


class CreditGrantBody(TypedDict):
    """Credits from one source with one expiry. All amounts are whole numbers of credits."""

    id: str
    user_id: UserId
    status: Annotated[str, CreditGrantStatus]
    source: CreditSourceBody
    product: str | None
    amount: Annotated[int, "Credits that the source gives."]
    carried: Annotated[
        int, "Subtracted from `amount`: overspent credits of a period that ended early."
    ]
    due: Annotated[int, "What is left of `amount` after refunds."]
    given: Annotated[int, "Credits put into the grant, minus credits taken back."]
    available: Annotated[int, "Credits that can be spent, unless the grant has expired."]
    reserved: int
    withheld: Annotated[int, "Credits that cannot be spent now: disputed, overdue or paused."]
    spent: int
    expired: int
    overspent: Annotated[int, "Credits that were spent beyond `due`."]
    priority: Annotated[int, "Grants with the lowest number are spent first."]
    granted_at: Time
    expires_at: Time | None
    reason: str | None
    created_by: str | None
    revoked_at: Time | None
    revoked_by: str | None
    revoked_reason: str | None


class CreditsBody(TypedDict):
    """The credits of one user."""

    user_id: UserId
    customer: Annotated[str | None, "Our id of the customer; null for an unknown user."]
    balance: Annotated[int, "Credits that can be spent now."]
    reserved: int
    withheld: int
    low_at: Annotated[int, "The balance is low when it is at most this number."]
    grants: list[CreditGrantBody]


class CreditEntryBody(TypedDict):
    grant: str
    bucket: Annotated[str, CreditBucket]
    amount: Annotated[int, "Credits that entered the bucket; negative: that left it."]


class CreditTransactionBody(TypedDict):
    """One transaction in the ledger of a user's credits."""

    id: str
    movement: Annotated[str, CreditMovement]
    amount: Annotated[int, "Credits that it moved."]
    balance: Annotated[int, "The balance after it."]
    feature: str | None
    key: str | None
    reservation: str | None
    reason: str | None
    actor: str | None
    occurred_at: Time
    entries: list[CreditEntryBody]


class CreditLevelBody(TypedDict):
    """A balance of credits that has become low or is used up."""

    user_id: UserId
    customer: str
    balance: Annotated[int, "Credits that can be spent now."]
    low_at: Annotated[int, "The balance is low when it is at most this number."]
    topped_up_to: Annotated[int, "The balance after the last top-up."]


def level(
    account: CreditAccount, customer: Customer, *, balance: int, low_at: int
) -> CreditLevelBody:
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
    """A credit transaction with its entries."""
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
