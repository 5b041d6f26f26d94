"""Give money back, in whole or in part, and never more than is left.

Our row comes first, then the request (docs/rules.md, R9). Stripe decides how much is left, also
when several ask at once; how much is left of a line our rows decide, under the customer's lock.
Whether access ends with the money is decided where purchases become facts; here only money moves.
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
from events.services import audit
from projects.customers import selectors as customers

CANCELABLE = frozenset({"pending", "requires_action"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Money to give back: ``amount`` minor units, or what the ``lines`` of the purchase come to,
    or (None, no lines) all that is left.

    ``credited_too``: also what a change of plan has put on the customer's balance. ``reason`` is
    Stripe's word for why.
    """

    amount: int | None = None
    lines: Sequence[LineRefundRequest] = ()
    credited_too: bool = False
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def refund(
    *,
    payment: Payment,
    request: RefundRequest,
    idempotency_key: str,
    actor: str,
    at: datetime,
    note: str = "",
) -> Refund:
    """Give money back. A line that is given back in whole takes its access along, and no other's.

    Raises CreditedToBalance for what a change of plan has put on the customer's balance, unless it
    is ``credited_too``.

    The same ``idempotency_key`` never gives back twice. ``note`` is an operator's reason for the
    audit trail. Raises Invalid for an amount that is not positive, NothingToRefund for more than
    is left, StripeUnavailable while it is not known whether the money went back: the same request
    then finishes it.
    """
    _check_amount(payment, request.amount)
    lines = [asdict(line) for line in request.lines]
    parts = [payment.pk, request.amount, request.reason, request.metadata]
    key = request_dedup.request_key(idempotency_key, "refund", *parts, *([lines] if lines else []))
    asked = _Asked(request, key=key, is_named=bool(idempotency_key))
    if _begun(payment, asked, at) is None:
        _check_before(payment, request, at)
    row = _begin(payment, asked, actor=actor, note=note, at=at)
    _make(row, payment, row.amount if row.lines else request.amount, at)
    return stored.get(project=payment.project, refund_id=row.pk)


def cancel(*, refund: Refund, request: str, actor: str, at: datetime) -> Refund:
    """Call a refund off that still waits, as a refund to a customer's bank account can.

    Raises RefundNotCancelable for one that is on its way or over.
    """
    if refund.status not in CANCELABLE:
        raise RefundNotCancelable(f"It is {refund.status}.")
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
    except StripeRefused as refused:
        _read(refund.payment, at)
        raise RefundNotCancelable(refused.detail) from refused
    _read(refund.payment, at)
    return stored.get(project=refund.project, refund_id=refund.pk)


def refundable(payment: Payment) -> int:
    """What is left to give back, in minor units, as far as we have heard."""
    left = payment.amount_received - payment.amount_refunded - payment.amount_disputed
    return max(left, 0)


@dataclass(frozen=True, slots=True)
class _Asked:
    request: RefundRequest
    key: str
    is_named: bool


def _check_amount(payment: Payment, amount: int | None) -> None:
    if amount is not None and amount <= 0:
        raise Invalid("A positive number of minor units.", field="amount")
    if amount is not None and amount % step(payment.currency):
        raise Invalid(f"A multiple of {step(payment.currency)} minor units.", field="amount")


def _check_before(payment: Payment, request: RefundRequest, at: datetime) -> None:
    """Raises for what cannot be, before a row says that it is to be."""
    if request.lines:
        refund_lines.read_costs(payment, at)
    amount = _come_to(payment, request)[0]
    if _lacks(payment, amount):
        _read(payment, at)  # perhaps there is more than we have heard of
        _check(payment, amount)
    if not request.credited_too:
        _check_balance(payment, amount)


def _come_to(payment: Payment, request: RefundRequest) -> tuple[int | None, list[dict[str, Any]]]:
    """The amount that is asked for, None for all that is left, and of which lines.

    Raises Invalid for an amount beside lines that come to another one.
    """
    lines = refund_lines.settle(payment, request.lines)
    if not lines:
        return request.amount, []
    total = sum(each["amount"] for each in lines)
    if request.amount not in (None, total):
        raise Invalid(f"The lines come to {total} minor units.", field="amount")
    refund_lines.metadata(lines, request.metadata)
    return total, lines


def _check_balance(payment: Payment, amount: int | None) -> None:
    """Raises CreditedToBalance for more than was neither refunded nor credited."""
    credited = balance_credits.of_payment(payment)
    left = max(refundable(payment) - credited, 0)
    if credited and (amount is None or amount > left):
        raise CreditedToBalance(
            f"{credited} minor units of it were credited when the subscription changed. Refund at "
            f"most {left}, or send credited_too.",
            credited=credited,
            refundable=left,
        )


def _begin(payment: Payment, asked: _Asked, *, actor: str, note: str, at: datetime) -> Refund:
    """The row of this request, made now or by an earlier try of it."""
    with transaction.atomic():
        customers.lock(project_id=payment.project_id, customer_id=payment.customer_id)
        row = _begun(payment, asked, at)
        if row is not None:
            return row
        request = asked.request
        amount, lines = _come_to(payment, request)
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
                "idempotent": asked.is_named,
                **({"lines": lines} if lines else {}),
            },
        )
        return Refund.objects.for_project(payment.project_id).create(
            account=payment.account,
            payment=payment,
            currency=payment.currency,
            amount=refundable(payment) if amount is None else amount,
            lines=lines,
            reason=request.reason,
            metadata=request.metadata,
            refunded_at=at,
            request_key=asked.key,
        )


def _begun(payment: Payment, asked: _Asked, at: datetime) -> Refund | None:
    rows = Refund.objects.for_project(payment.project_id)
    return request_dedup.find_earlier(rows, key=asked.key, is_named=asked.is_named, at=at)


def _make(row: Refund, payment: Payment, amount: int | None, at: datetime) -> None:
    """Have Stripe give it back, and store what is true then."""
    params = refunds.new(
        payment_stripe_id=payment.stripe_id or "",
        amount=amount,
        reason=row.reason,
        metadata=refund_lines.metadata(row.lines, row.metadata),
    )
    try:
        intents.create_object(row, operation="refund.create", params=params, at=at)
    except StripeRefused:
        _read(payment, at)
        _check(payment, amount)  # another refund was faster
        raise
    except StripeUnavailable:
        if not _is_made_after_all(row, payment, at):
            raise
        intents.create_object(row, operation="refund.create", params=params, at=at)
    _read(payment, at)


def _is_made_after_all(row: Refund, payment: Payment, at: datetime) -> bool:
    """Whether the refund whose answer got lost is among those of the payment."""
    try:
        _read(payment, at)
    except StripeUnavailable:
        return False
    row.refresh_from_db()
    return bool(row.stripe_id)


def _read(payment: Payment, at: datetime) -> None:
    if payment.stripe_id:
        account, stripe_id = payment.account, payment.stripe_id
        sync.now(account=account, kind=ObjectKind.PAYMENT_INTENT, stripe_id=stripe_id, at=at)
        payment.refresh_from_db()


def _lacks(payment: Payment, amount: int | None) -> bool:
    left = refundable(payment)
    return left == 0 or (amount is not None and amount > left)


def _check(payment: Payment, amount: int | None) -> None:
    if _lacks(payment, amount):
        raise NothingToRefund(
            "Ask for no more than what is left.",
            refundable={"amount": refundable(payment), "currency": payment.currency},
        )
