"""Take money in whichever way a request names, find out what became of it, call it off."""

from datetime import datetime

from billing.checkout import checkout_type, order_lines
from billing.checkout import sessions as pages
from billing.checkout.page_payments import PAGES
from billing.errors import CheckoutNotOpen, PaymentNotCancelable
from billing.models import Payment
from billing.models.payment import PaymentStatus, PaymentType
from billing.models.sync_object import ObjectKind
from billing.outbound import intents
from billing.payments import payment_intents, payment_pages, payment_requests
from billing.payments.payment_requests import PaymentRequest
from billing.payments.selectors import payments as stored
from billing.stripe.errors import StripeRefused
from billing.sync import service as sync
from common.errors import Invalid
from common.ids import new_id
from events.services import audit
from projects.models import Project

CANCELABLE = frozenset(
    {
        PaymentStatus.PENDING,
        PaymentStatus.PROCESSING,
        PaymentStatus.REQUIRES_ACTION,
        PaymentStatus.FAILED,
    }
)
"""Money has not come yet. While it is processing, Stripe decides."""


def take(
    *, project: Project, payment_request: PaymentRequest, idempotency_key: str, at: datetime
) -> tuple[Payment, bool]:
    """The payment that was asked for, and whether this request has made it.

    A reference that is known already is answered with its payment. Raises ReferenceReused, an
    Invalid or Conflict for what cannot be sold or paid in this way, CardDeclined; after
    StripeUnavailable the same request finishes what this one began.
    """
    row = payment_requests.of_reference(project=project, payment_request=payment_request)
    if row is not None:
        finish = payment_intents.finish if row.type == PaymentType.INTENT else payment_pages.finish
        return finish(payment=row, payment_request=payment_request, at=at), False
    if payment_request.amount is None and (payment_request.lines or payment_request.cart):
        return payment_pages.take(
            project=project, payment_request=payment_request, idempotency_key=idempotency_key, at=at
        )
    detected = checkout_type.detect(
        project=project,
        lines=order_lines.read(project=project, items=payment_request.lines),
        cart=payment_request.cart or None,
        amount=payment_request.amount,
        requested_type=payment_request.type,
    )
    _refuse_a_page(payment_request)
    return payment_intents.take(
        project=project,
        payment_request=payment_request,
        detected=detected.to_json(),
        idempotency_key=idempotency_key,
        at=at,
    )


def read_again(*, payment: Payment, at: datetime) -> Payment:
    """What has become of it, by the same path as the webhooks'. Raises StripeUnavailable."""
    if payment.checkout is not None and payment.type in PAGES:
        pages.read_again(checkout=payment.checkout, at=at)
    elif payment.stripe_id:
        sync.now(
            account=payment.account,
            kind=ObjectKind.PAYMENT_INTENT,
            stripe_id=payment.stripe_id,
            at=at,
        )
    return stored.get(project=payment.project_id, payment_id=payment.pk)


def cancel(*, payment: Payment, actor: str, at: datetime) -> Payment:
    """Nobody can pay it any more; one that is canceled already stays so.

    Raises PaymentNotCancelable once Stripe has the money, StripeUnavailable.
    """
    if payment.status == PaymentStatus.CANCELED:
        return payment
    if payment.status not in CANCELABLE:
        raise _too_late(payment)
    if payment.invoice_stripe_id:
        raise PaymentNotCancelable("It pays an invoice: cancel the subscription instead.")
    _record(payment, actor, at)
    try:
        if payment.checkout is not None:
            payment_pages.close(payment=payment, at=at)
        else:
            _cancel_intent(payment, at)
    except (CheckoutNotOpen, StripeRefused) as refusal:
        payment = read_again(payment=payment, at=at)
        if payment.status != PaymentStatus.CANCELED:
            raise _too_late(payment) from refusal
        return payment
    return read_again(payment=payment, at=at)


def _cancel_intent(payment: Payment, at: datetime) -> None:
    if not payment.stripe_id:
        raise PaymentNotCancelable("It is only being made: try again in a minute.")
    intents.change_object(
        project_id=payment.project_id,
        account=payment.account,
        operation="payment_intent.cancel",
        subject=payment.pk,
        target=payment.stripe_id,
        params={"cancellation_reason": "requested_by_customer"},
        request=new_id("req"),
        at=at,
    )


def _too_late(payment: Payment) -> PaymentNotCancelable:
    return PaymentNotCancelable(f"It is {payment.status}.", payment_status=payment.status)


def _refuse_a_page(payment_request: PaymentRequest) -> None:
    for name in payment_request.page:
        raise Invalid("Only a hosted page has this, and an amount has none.", field=name)


def _record(payment: Payment, actor: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action="payment.cancel",
        subject=payment.pk,
        project_id=payment.project_id,
        at=at,
        after={},
    )
