"""Refund payments, in full or in part, and cancel refunds.

Our row is inserted before the request to Stripe (docs/rules.md, R9). Stripe decides how much of
the payment is left, also for parallel refunds; our rows decide how much of a line is left, under
the customer's lock. The effect on access is decided in ``billing.access``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.errors import CreditedToBalance, NothingToRefund, RefundNotCancelable
from billing.models import Payment, Refund
from billing.models.sync_object import ObjectKind
from billing.outbound import intents, request_dedup
from billing.payments import refund_lines
from billing.payments.refund_lines import LineRefundRequest
from billing.payments.selectors import balance_credits
from billing.payments.selectors import refunds as stored
from billing.stripe import refunds
from billing.stripe.errors import StripeRefused, StripeUnavailable
from billing.sync import service as sync
from common.currencies import step
from common.errors import Invalid
from common.ids import new_id
from events.audit import audit_trail as audit
from projects.customers import selectors as customers

CANCELABLE_STATUSES = frozenset({"pending", "requires_action"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A refund of ``amount`` minor units, of the sum of the purchase's ``lines``, or (neither) of
    all that is left.

    ``credited_too``: also money that a plan change has credited to the customer's balance.
    ``reason`` is one of Stripe's.
    """

    amount: int | None = None
    lines: Sequence[LineRefundRequest] = ()
    credited_too: bool = False
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def create(
    *,
    payment: Payment,
    request: RefundRequest,
    idempotency_key: str,
    actor: str,
    at: datetime,
    note: str = "",
) -> Refund:
    """Refund a payment, in full or in part.

    A line that is refunded in full loses its access; other lines keep theirs. The same
    ``idempotency_key`` never refunds twice. ``note`` is an operator's reason for the audit trail.

    Raises Invalid for an amount that is not positive, NothingToRefund for more than is left, and
    CreditedToBalance for money that a plan change has credited to the customer's balance, unless
    ``credited_too``. After StripeUnavailable it is unknown whether the refund exists; the same
    request then finishes it.
    """
    _check_amount(payment, request.amount)
    lines = [asdict(line) for line in request.lines]
    parts = [payment.pk, request.amount, request.reason, request.metadata]
    key = request_dedup.request_key(idempotency_key, "refund", *parts, *([lines] if lines else []))
    keyed = _KeyedRequest(request, key=key, is_named=bool(idempotency_key))
    if _find_earlier_attempt(payment, keyed, at) is None:
        _check_request(payment, request, at)
    row = _ensure_row(payment, keyed, actor=actor, note=note, at=at)
    _create_at_stripe(row, payment, row.amount if row.lines else request.amount, at)
    return stored.get(project=payment.project, refund_id=row.pk)


def cancel(*, refund: Refund, request: str, actor: str, at: datetime) -> Refund:
    """Cancel a refund that is pending or requires action, such as one to a bank account.

    Raises RefundNotCancelable for any other status.
    """
    if refund.status not in CANCELABLE_STATUSES:
        raise RefundNotCancelable(f"The refund is {refund.status}.")
    audit.record(
        actor=actor,
        action="refund.cancel",
        subject=refund.pk,
        project_id=refund.project_id,
        at=at,
    )
    try:
        intents.change_object(
            project_id=refund.project_id,
            account=refund.account,
            operation="refund.cancel",
            subject=refund.pk,
            target=refund.stripe_id or "",
            params={},
            request=request or new_id("req"),
            at=at,
        )
    except StripeRefused as refusal:
        _sync_payment(refund.payment, at)
        raise RefundNotCancelable(refusal.detail) from refusal
    _sync_payment(refund.payment, at)
    return stored.get(project=refund.project, refund_id=refund.pk)


def refundable_amount(payment: Payment) -> int:
    """Return the minor units that are left to refund, by our last read of the payment."""
    left = payment.amount_received - payment.amount_refunded - payment.amount_disputed
    return max(left, 0)


@dataclass(frozen=True, slots=True)
class _KeyedRequest:
    request: RefundRequest
    key: str
    is_named: bool


def _check_amount(payment: Payment, amount: int | None) -> None:
    if amount is not None and amount <= 0:
        raise Invalid("Send a positive number of minor units.", field="amount")
    if amount is not None and amount % step(payment.currency):
        raise Invalid(f"Send a multiple of {step(payment.currency)} minor units.", field="amount")


def _check_request(payment: Payment, request: RefundRequest, at: datetime) -> None:
    """Raise for a refund that cannot be made, before its row is inserted."""
    if request.lines:
        refund_lines.read_line_costs(payment, at)
    amount = _resolve_amount(payment, request)[0]
    if _exceeds_refundable(payment, amount):
        _sync_payment(payment, at)  # our row may be older than the payment at Stripe
        _check_refundable(payment, amount)
    if not request.credited_too:
        _check_balance(payment, amount)


def _resolve_amount(
    payment: Payment, request: RefundRequest
) -> tuple[int | None, list[dict[str, Any]]]:
    """Return the requested amount, None for all that is left, and the resolved lines.

    Raises Invalid for an amount that differs from the sum of the lines.
    """
    lines = refund_lines.resolve_requests(payment, request.lines)
    if not lines:
        return request.amount, []
    total = sum(line["amount"] for line in lines)
    if request.amount not in (None, total):
        raise Invalid(f"Leave it out, or send the sum of the lines: {total}.", field="amount")
    refund_lines.add_to_metadata(request.metadata, lines)
    return total, lines


def _check_balance(payment: Payment, amount: int | None) -> None:
    """Raise CreditedToBalance if the refund includes money that was credited to the balance."""
    credited = balance_credits.sum_credited(payment)
    left = max(refundable_amount(payment) - credited, 0)
    if credited and (amount is None or amount > left):
        raise CreditedToBalance(
            f"{credited} minor units of this payment were credited to the customer's balance when "
            f"the subscription changed. Refund at most {left}, or send credited_too.",
            credited=credited,
            refundable=left,
        )


def _ensure_row(
    payment: Payment, keyed: _KeyedRequest, *, actor: str, note: str, at: datetime
) -> Refund:
    """Return the request's row: the one of an earlier attempt, else a new one."""
    with transaction.atomic():
        customers.lock(project_id=payment.project_id, customer_id=payment.customer_id)
        row = _find_earlier_attempt(payment, keyed, at)
        if row is not None:
            return row
        request = keyed.request
        amount, lines = _resolve_amount(payment, request)
        audit.record(
            actor=actor,
            action="payment.refund",
            subject=payment.pk,
            project_id=payment.project_id,
            at=at,
            reason=note,
            after={
                "amount": amount,
                "reason": request.reason,
                "idempotent": keyed.is_named,
                **({"lines": lines} if lines else {}),
            },
        )
        return Refund.objects.for_project(payment.project_id).create(
            account=payment.account,
            payment=payment,
            currency=payment.currency,
            amount=refundable_amount(payment) if amount is None else amount,
            lines=lines,
            reason=request.reason,
            metadata=request.metadata,
            refunded_at=at,
            request_key=keyed.key,
        )


def _find_earlier_attempt(payment: Payment, keyed: _KeyedRequest, at: datetime) -> Refund | None:
    return request_dedup.find_earlier(
        Refund, project_id=payment.project_id, key=keyed.key, is_named=keyed.is_named, at=at
    )


def _create_at_stripe(row: Refund, payment: Payment, amount: int | None, at: datetime) -> None:
    """Create the refund at Stripe, then read the payment again."""
    params = refunds.new(
        payment_stripe_id=payment.stripe_id or "",
        amount=amount,
        reason=row.reason,
        metadata=refund_lines.add_to_metadata(row.metadata, row.lines),
    )
    try:
        intents.create_object(row, operation="refund.create", params=params, at=at)
    except StripeRefused:
        _sync_payment(payment, at)
        _check_refundable(payment, amount)  # a parallel refund may have come first
        raise
    except StripeUnavailable:
        if not _exists_at_stripe(row, payment, at):
            raise
        intents.create_object(row, operation="refund.create", params=params, at=at)
    _sync_payment(payment, at)


def _exists_at_stripe(row: Refund, payment: Payment, at: datetime) -> bool:
    """Return whether the payment at Stripe has the refund whose answer was lost."""
    try:
        _sync_payment(payment, at)
    except StripeUnavailable:
        return False
    row.refresh_from_db()
    return bool(row.stripe_id)


def _sync_payment(payment: Payment, at: datetime) -> None:
    if payment.stripe_id:
        account, stripe_id = payment.account, payment.stripe_id
        sync.now(account=account, kind=ObjectKind.PAYMENT_INTENT, stripe_id=stripe_id, at=at)
        payment.refresh_from_db()


def _exceeds_refundable(payment: Payment, amount: int | None) -> bool:
    left = refundable_amount(payment)
    return left == 0 or (amount is not None and amount > left)


def _check_refundable(payment: Payment, amount: int | None) -> None:
    if _exceeds_refundable(payment, amount):
        raise NothingToRefund(
            "Refund no more than what is left.",
            refundable={"amount": refundable_amount(payment), "currency": payment.currency},
        )
