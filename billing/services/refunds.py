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
from billing.stripe.errors import (
    SHORTEST_WAIT,
    StripeFailed,
    StripeRefused,
    StripeUnavailable,
)
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
    whether the money went back: the same request then finishes it, if it has a key.
    """
    if amount is not None and amount <= 0:
        raise Invalid("A positive number of minor units.", field="amount")
    label = _label(payment, idempotency_key)
    asked = {"amount": amount, "reason": reason, "idempotent": bool(idempotency_key)}
    _record(payment, actor, at, asked)
    try:
        found = _give_back(payment, amount=amount, reason=reason, metadata=metadata, label=label)
    except StripeUnavailable as away:
        raise away if idempotency_key else _unknown(away) from away
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
    failure: StripeFailed | None = None
    for generation in range(KEYS_TRIED):
        now = _at_stripe(payment)
        if (found := _labelled(now, label)) is not None:
            return found
        wanted = _amount(now, amount)
        try:
            return payments.refund(
                client_for(payment.account),
                payment.stripe_id or "",
                amount=wanted,
                reason=reason,
                our_id=label,
                metadata=metadata,
                idempotency_key=f"{label}-{generation}",
            )
        except StripeRefused:
            _amount(_at_stripe(payment), wanted)  # another refund was faster
            raise
        except StripeUnavailable as error:
            if (found := _made_after_all(payment, label)) is not None:
                return found
            if not (isinstance(error, StripeFailed) and error.replayed):
                raise
            failure = error
    raise StripeUnavailable(failure.detail if failure else "") from failure


def _at_stripe(payment: Payment) -> PaymentSnapshot:
    return payments.retrieve(client_for(payment.account), payment.stripe_id or "")


def _made_after_all(payment: Payment, label: str) -> RefundSnapshot | None:
    """The refund whose answer got lost; None when there is none, or Stripe cannot say."""
    try:
        return _labelled(_at_stripe(payment), label)
    except StripeUnavailable:
        return None


def _labelled(now: PaymentSnapshot, label: str) -> RefundSnapshot | None:
    return next((each for each in now.refunds if each.our_id == label), None)


def _unknown(away: StripeUnavailable) -> StripeUnavailable:
    """What to tell a caller whose request has no name: sent again, it might give back twice."""
    return StripeUnavailable(
        "The money may have gone back. Read the payment's refunds before you ask again, and send "
        "an Idempotency-Key: with one, the same request never gives back twice.",
        retry_after=away.retry_after or SHORTEST_WAIT,
    )


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
