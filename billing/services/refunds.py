"""Give money back, in whole or in part, and never more than is left.

Whether access ends with it is decided where purchases become facts; here only money moves.
"""

import hashlib
from datetime import datetime
from typing import Any

from billing.errors import NothingToRefund
from billing.models import Payment, Refund
from billing.models.sync_object import Kind
from billing.selectors import payments as stored
from billing.services import sync
from billing.stripe import payments
from billing.stripe.client import client_for
from billing.stripe.errors import StripeFailed, StripeUnavailable
from billing.stripe.snapshots import PaymentSnapshot, RefundSnapshot
from common.errors import Invalid
from common.ids import new_id
from events.services import audit

KEYS_TRIED = 3
"""How many idempotency keys one refund may use up on errors inside Stripe."""


def refund(
    *,
    payment: Payment,
    amount: int | None,
    reason: str,
    metadata: dict[str, str],
    idempotency_key: str,
    actor: str,
    at: datetime,
) -> Refund:
    """Give ``amount`` minor units back, or all that is left.

    The same ``idempotency_key`` never gives back twice. Raises Invalid for an amount that is
    not positive, NothingToRefund for more than is left, StripeUnavailable while it is not known
    whether the money went back: the same request then finishes it.
    """
    if amount is not None and amount <= 0:
        raise Invalid("A positive number of minor units.", field="amount")
    label = _label(payment, idempotency_key)
    asked = {"amount": amount, "reason": reason, "idempotent": bool(idempotency_key)}
    _record(payment, actor, at, asked)
    found = _give_back(payment, amount=amount, reason=reason, metadata=metadata, label=label)
    sync.now(
        account=payment.account,
        kind=Kind.PAYMENT_INTENT,
        stripe_id=payment.stripe_id or "",
        at=at,
    )
    return stored.refund(payment=payment, stripe_id=found.stripe_id)


def _give_back(
    payment: Payment, *, amount: int | None, reason: str, metadata: dict[str, str], label: str
) -> RefundSnapshot:
    """The refund of this label: an earlier one, or one made now.

    After an error inside Stripe its key answers with that error for ever. Once the error is a
    repeated one, that try is over, and the payment itself tells whether it gave anything back.
    """
    client = client_for(payment.account)
    stripe_id = payment.stripe_id or ""
    failure: StripeFailed | None = None
    for generation in range(KEYS_TRIED):
        now = payments.retrieve(client, stripe_id)
        found = next((each for each in now.refunds if each.our_id == label), None)
        if found is not None:
            return found
        try:
            return payments.refund(
                client,
                stripe_id,
                amount=_amount(now, amount),
                reason=reason,
                our_id=label,
                metadata=metadata,
                idempotency_key=f"{label}-{generation}",
            )
        except StripeFailed as error:
            if not error.replayed:
                raise
            failure = error
    raise StripeUnavailable(failure.detail if failure else "") from failure


def _amount(now: PaymentSnapshot, wanted: int | None) -> int:
    left = now.amount_received - now.amount_refunded
    amount = left if wanted is None else wanted
    if left == 0 or amount > left:
        raise NothingToRefund(
            "Ask for no more than what is left.",
            refundable={"amount": left, "currency": now.currency},
        )
    return amount


def _label(payment: Payment, idempotency_key: str) -> str:
    """Names this very refund at Stripe; the same for the same key of the tenant."""
    if not idempotency_key:
        return new_id("ref")
    told = hashlib.sha256(f"{payment.pk}:{idempotency_key}".encode()).hexdigest()
    return f"{payment.pk}-{told[:32]}"


def _record(payment: Payment, actor: str, at: datetime, asked: dict[str, Any]) -> None:
    audit.record(
        actor=actor,
        action="payment.refund",
        subject=payment.pk,
        project_id=payment.project_id,
        at=at,
        after=asked,
    )
