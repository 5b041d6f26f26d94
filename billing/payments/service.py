"""Create payments of every type, read them again from Stripe, cancel them."""

from datetime import datetime

from billing.checkout import checkout_type, order_lines
from billing.checkout import sessions as pages
from billing.checkout.page_payments import PAGE_PAYMENT_TYPES
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
from events.audit import audit_trail as audit
from projects.models import Project

CANCELABLE_STATUSES = frozenset(
    {
        PaymentStatus.PENDING,
        PaymentStatus.PROCESSING,
        PaymentStatus.REQUIRES_ACTION,
        PaymentStatus.FAILED,
    }
)
"""Statuses before the money has arrived. While it is processing, Stripe may refuse to cancel."""


def create(
    *, project: Project, payment_request: PaymentRequest, idempotency_key: str, at: datetime
) -> tuple[Payment, bool]:
    """Return the request's payment, and whether this request created it.

    A known reference returns its payment. Raises ReferenceReused, CardDeclined, and subclasses of
    Invalid and Conflict for what cannot be sold or paid in this way. After StripeUnavailable the
    same request finishes the work.
    """
    row = payment_requests.find_by_reference(project=project, payment_request=payment_request)
    if row is not None:
        finish = payment_intents.finish if row.type == PaymentType.INTENT else payment_pages.finish
        return finish(payment=row, payment_request=payment_request, at=at), False
    if payment_request.amount is None and (payment_request.lines or payment_request.cart):
        return payment_pages.create(
            project=project, payment_request=payment_request, idempotency_key=idempotency_key, at=at
        )
    detected = checkout_type.detect(
        project=project,
        lines=order_lines.read(project=project, items=payment_request.lines),
        cart=payment_request.cart or None,
        amount=payment_request.amount,
        requested_type=payment_request.type,
    )
    _reject_page_fields(payment_request)
    return payment_intents.create(
        project=project,
        payment_request=payment_request,
        detected=detected.to_json(),
        idempotency_key=idempotency_key,
        at=at,
    )


def read_again(*, payment: Payment, at: datetime) -> Payment:
    """Sync the payment with Stripe, as a webhook would. Raises StripeUnavailable."""
    if payment.checkout is not None and payment.type in PAGE_PAYMENT_TYPES:
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
    """Cancel the payment at Stripe. A payment that is canceled already is returned unchanged.

    Raises PaymentNotCancelable if it was paid or pays an invoice, StripeUnavailable.
    """
    if payment.status == PaymentStatus.CANCELED:
        return payment
    if payment.status not in CANCELABLE_STATUSES:
        raise _not_cancelable(payment)
    if payment.invoice_stripe_id:
        raise PaymentNotCancelable("The payment pays an invoice. Cancel the subscription instead.")
    _record_audit(payment, actor, at)
    try:
        if payment.checkout is not None:
            payment_pages.close(payment=payment, at=at)
        else:
            _cancel_intent(payment, at)
    except (CheckoutNotOpen, StripeRefused) as refusal:
        payment = read_again(payment=payment, at=at)
        if payment.status != PaymentStatus.CANCELED:
            raise _not_cancelable(payment) from refusal
        return payment
    return read_again(payment=payment, at=at)


def _cancel_intent(payment: Payment, at: datetime) -> None:
    if not payment.stripe_id:
        raise PaymentNotCancelable("Stripe is still creating it. Send the request in a minute.")
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


def _not_cancelable(payment: Payment) -> PaymentNotCancelable:
    return PaymentNotCancelable(f"The payment is {payment.status}.", payment_status=payment.status)


def _reject_page_fields(payment_request: PaymentRequest) -> None:
    for name in payment_request.page:
        raise Invalid("Send this only for a hosted page. An amount has none.", field=name)


def _record_audit(payment: Payment, actor: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action="payment.cancel",
        subject=payment.pk,
        project_id=payment.project_id,
        at=at,
        after={},
    )
