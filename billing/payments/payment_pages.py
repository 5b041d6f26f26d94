"""Payments on a hosted page: of a subscription, of items, of a cart.

Our row comes first and names the page; the PaymentIntent that the page makes becomes the
payment's own (``billing.checkout.page_payments``).
"""

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

AWAY = ("off_session", "payment_method")
"""What makes no sense for a buyer who is there."""


def take(
    *, project: Project, payment_request: PaymentRequest, idempotency_key: str, at: datetime
) -> tuple[Payment, bool]:
    """The payment with its page, and whether this request has made it.

    Raises an Invalid or Conflict for what cannot be sold in this way; after StripeUnavailable the
    same request finishes what this one began.
    """
    _check(payment_request)
    sale = checkout_orders.build_order(
        project=project, request=_page(payment_request), requested_type=payment_request.type, at=at
    )
    row, is_new = payment_requests.begin(
        customer=_customer(project, sale, at),
        account=sale.lines[0].price.account,
        payment_request=payment_request,
        payment_type=PaymentType(sale.checkout_type),
        money=_total(sale),
        detected=sale.detected,
        idempotency_key=idempotency_key,
        at=at,
    )
    row = finish(payment=row, payment_request=payment_request, at=at, is_new=is_new)
    return row, is_new or not payment_request.reference


def finish(
    *, payment: Payment, payment_request: PaymentRequest, at: datetime, is_new: bool = False
) -> Payment:
    """The payment with its page, opened now if that is still to be done. Raises as above.

    Only who has made the row (``is_new``) takes it back when there will be no page: others may
    be at work for it.
    """
    if payment.checkout_id is None:
        try:
            page = checkouts.open_page(
                project=payment.project,
                request=_page(payment_request, purpose=payment.pk),
                requested_type=payment.type,
                idempotency_key=payment.pk,
                at=at,
            )
        except Unavailable:
            raise
        except DomainError:
            if is_new:
                payment_requests.take_back(payment)
            raise
        _link(payment, page, at)
    return stored.get(project=payment.project_id, payment_id=payment.pk)


def close(*, payment: Payment, at: datetime) -> None:
    """Close the page because the tenant calls the payment off. Raises CheckoutNotOpen."""
    assert payment.checkout is not None
    with transaction.atomic():
        people.lock(project_id=payment.project_id, customer_id=payment.customer_id)
        rows = Payment.objects.for_project(payment.project_id)
        rows.filter(pk=payment.pk).update(cancel_asked_at=at)
    pages.close(checkout=payment.checkout, at=at)


def _check(payment_request: PaymentRequest) -> None:
    for name in AWAY:
        if getattr(payment_request, name):
            raise Invalid("Only an amount can be charged while the user is away.", field=name)
    if not payment_request.page.get("success_url"):
        raise Invalid("Say where the buyer goes after paying.", field="success_url")
    if (
        payment_request.expires_in is not None
        and timedelta(seconds=payment_request.expires_in) > LONGEST_OPEN
    ):
        raise Invalid("A page stays open for a day at most.", field="expires_in")


def _page(payment_request: PaymentRequest, *, purpose: str = "") -> CheckoutRequest:
    return CheckoutRequest(
        user_id=payment_request.user_id,
        lines=payment_request.lines,
        cart=payment_request.cart,
        save_payment_method=payment_request.save_payment_method,
        expires_in=payment_request.expires_in,
        metadata=payment_request.metadata,
        purpose=purpose,
        **payment_request.page,
    )


def _customer(project: Project, sale: CheckoutOrder, at: datetime) -> Customer:
    if sale.cart is not None:
        return sale.cart.customer
    payment_request = sale.request
    return customers.ensure(
        project=project,
        user_id=payment_request.user_id,
        email=payment_request.email,
        name=payment_request.name,
        at=at,
    )


def _total(sale: CheckoutOrder) -> Money:
    """What is due now, before discounts and taxes: use is billed after its period."""
    amount = sum(line.price.amount_of(line.quantity) for line in sale.lines)
    return Money(amount, sale.lines[0].price.currency)


def _link(payment: Payment, page: Checkout, at: datetime) -> None:
    """The payment has this page, once, and the world is told of it. Raises CheckoutNotReady."""
    with transaction.atomic():
        customer = people.lock(project_id=payment.project_id, customer_id=payment.customer_id)
        try:
            payment.refresh_from_db()
        except Payment.DoesNotExist as gone:
            raise CheckoutNotReady("A try at the same time was refused. Send it again.") from gone
        if payment.checkout_id is None:
            page_payments.record_page(payment=payment, checkout=page, customer=customer, at=at)
