"""Create payments that are paid on a hosted page: a subscription, items or a cart.

Our row is inserted before the page is opened. The PaymentIntent that the page creates is linked to
the row later (``billing.checkout.page_payments``).
"""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from billing.checkout import checkout_orders, page_payments
from billing.checkout import service as checkouts
from billing.checkout import sessions as pages
from billing.checkout.checkout_requests import LONGEST_OPEN, CheckoutOrder, CheckoutRequest
from billing.errors import CheckoutNotReady
from billing.models import Checkout, Payment
from billing.models.payment import PaymentType
from billing.payments import payment_requests
from billing.payments.payment_requests import PaymentRequest
from billing.payments.selectors import payments as stored
from common.errors import DomainError, Invalid, Unavailable
from common.money import Money
from projects.customers import selectors as people
from projects.customers import service as customers
from projects.models import Customer, Project

OFF_SESSION_FIELDS = ("off_session", "payment_method")
"""Request fields that no hosted page takes: its buyer is present."""


def create(
    *, project: Project, payment_request: PaymentRequest, idempotency_key: str, at: datetime
) -> tuple[Payment, bool]:
    """Return the payment with its page, and whether this request created it.

    Raises a subclass of Invalid or Conflict for an order that cannot be sold on a page. After
    StripeUnavailable the same request finishes the work.
    """
    _check_request(payment_request)
    order = checkout_orders.build_order(
        project=project,
        request=_checkout_request(payment_request),
        requested_type=payment_request.type,
        at=at,
    )
    row, is_new = payment_requests.ensure_row(
        customer=_ensure_customer(project, order, at),
        account=order.lines[0].price.account,
        payment_request=payment_request,
        payment_type=PaymentType(order.checkout_type),
        money=_sum_due_now(order),
        detected=order.detected,
        idempotency_key=idempotency_key,
        at=at,
    )
    row = finish(payment=row, payment_request=payment_request, at=at, is_new=is_new)
    return row, is_new or not payment_request.reference


def finish(
    *, payment: Payment, payment_request: PaymentRequest, at: datetime, is_new: bool = False
) -> Payment:
    """Return the payment with its page; open the page if the payment has none yet.

    Only the request that inserted the row (``is_new``) deletes it when the page is refused: other
    requests may be using it. Raises what :func:`create` raises.
    """
    payment_request = replace(payment_request, workflow_id=payment.workflow_id)
    if payment.checkout_id is None:
        try:
            page = checkouts.open_page(
                project=payment.project,
                request=_checkout_request(payment_request, purpose=payment.pk),
                requested_type=payment.type,
                idempotency_key=payment.pk,
                at=at,
            )
        except Unavailable:
            raise
        except DomainError:
            if is_new:
                payment_requests.delete_unused(payment)
            raise
        _attach_page(payment, page, at)
    return stored.get(project=payment.project_id, payment_id=payment.pk)


def close(*, payment: Payment, at: datetime) -> None:
    """Close the page because the tenant cancels the payment. Raises CheckoutNotOpen."""
    assert payment.checkout is not None
    with transaction.atomic():
        people.lock(project_id=payment.project_id, customer_id=payment.customer_id)
        rows = Payment.objects.for_project(payment.project_id)
        rows.filter(pk=payment.pk).update(cancel_asked_at=at)
    pages.close(checkout=payment.checkout, at=at)


def _check_request(payment_request: PaymentRequest) -> None:
    for name in OFF_SESSION_FIELDS:
        if getattr(payment_request, name):
            raise Invalid("Send this only with an amount: a page needs its buyer.", field=name)
    if not payment_request.page.get("success_url"):
        raise Invalid("Send the address to which the buyer goes after paying.", field="success_url")
    if (
        payment_request.expires_in is not None
        and timedelta(seconds=payment_request.expires_in) > LONGEST_OPEN
    ):
        raise Invalid("A page stays open for at most a day: 86400.", field="expires_in")


def _checkout_request(payment_request: PaymentRequest, *, purpose: str = "") -> CheckoutRequest:
    return CheckoutRequest(
        user_id=payment_request.user_id,
        lines=payment_request.lines,
        cart=payment_request.cart,
        save_payment_method=payment_request.save_payment_method,
        expires_in=payment_request.expires_in,
        metadata=payment_request.metadata,
        workflow_id=payment_request.workflow_id,
        purpose=purpose,
        **payment_request.page,
    )


def _ensure_customer(project: Project, order: CheckoutOrder, at: datetime) -> Customer:
    if order.cart is not None:
        return order.cart.customer
    payment_request = order.request
    return customers.ensure(
        project=project,
        user_id=payment_request.user_id,
        email=payment_request.email,
        name=payment_request.name,
        at=at,
    )


def _sum_due_now(order: CheckoutOrder) -> Money:
    """Sum what is due now, before discounts and taxes. Metered use is billed after its period."""
    amount = sum(line.price.amount_of(line.quantity) for line in order.lines)
    return Money(amount, order.lines[0].price.currency)


def _attach_page(payment: Payment, page: Checkout, at: datetime) -> None:
    """Link the page to the payment and record ``payment.created``, once.

    Raises CheckoutNotReady if a parallel request has deleted the payment.
    """
    with transaction.atomic():
        customer = people.lock(project_id=payment.project_id, customer_id=payment.customer_id)
        try:
            payment.refresh_from_db()
        except Payment.DoesNotExist as missing:
            raise CheckoutNotReady(
                "Another request for this payment was refused. Send this one again."
            ) from missing
        if payment.checkout_id is None:
            page_payments.record_page(payment=payment, checkout=page, customer=customer, at=at)
