"""Payments of the type intent: a PaymentIntent that the tenant's own front end confirms, or that
is charged at once to a saved method while the user is away."""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing.accounts import service as stripe_accounts
from billing.accounts import stripe_customers
from billing.accounts.selectors import stripe_customers as buyers
from billing.errors import NoPaymentMethod
from billing.models import Payment, StripeAccount, StripeCustomer
from billing.models.payment import PaymentStatus, PaymentType
from billing.models.sync_object import ObjectKind
from billing.outbound import intents
from billing.payments import payment_methods, payment_requests
from billing.payments.payment_requests import PaymentRequest
from billing.payments.selectors import payments as stored
from billing.stripe import payments
from billing.stripe.errors import (
    SHORTEST_WAIT,
    CardDeclined,
    StripeObjectMissing,
    StripeUnavailable,
)
from billing.stripe.fields import Fields
from billing.sync import apply
from billing.sync import service as sync
from common import crypto
from common.money import Money
from projects.customers import selectors as people
from projects.customers import service as customers
from projects.models import Customer, Project


def take(
    *,
    project: Project,
    payment_request: PaymentRequest,
    detected: dict[str, str],
    idempotency_key: str,
    at: datetime,
) -> tuple[Payment, bool]:
    """The payment that was asked for, and whether this request has made it.

    One that is confirmed on session costs one call to Stripe. Raises CardDeclined for an
    off-session payment that the bank refused: it stays, as ``failed``. Raises NoPaymentMethod;
    after StripeUnavailable the same request finishes what this one began.
    """
    customer = _customer(project, payment_request, at)
    account = stripe_accounts.account_for(project)
    row = payment_requests.begun(
        customer=customer, payment_request=payment_request, idempotency_key=idempotency_key, at=at
    )
    is_new = True
    if row is None:
        params = _params(customer, account, payment_request, at)
        row, is_new = payment_requests.begin(
            customer=customer,
            account=account,
            payment_request=payment_request,
            payment_type=PaymentType.INTENT,
            money=Money(payment_request.amount or 0, payment_request.currency),
            detected=detected,
            idempotency_key=idempotency_key,
            at=at,
        )
        if not row.stripe_id:
            _make(row, params, at=at)
    row = finish(payment=row, payment_request=payment_request, at=at)
    if row.off_session and row.status == PaymentStatus.FAILED:
        raise CardDeclined(row.failure_message, decline_code=row.failure_code, payment=row.pk)
    return row, is_new or not payment_request.reference


def finish(*, payment: Payment, payment_request: PaymentRequest, at: datetime) -> Payment:
    """Finish what a request began that has had no answer. Raises as above."""
    if not payment.stripe_id:
        params = _params(payment.customer, payment.account, payment_request, at)
        _make(payment, params, at=at)
    elif not payment.client_secret:
        _read(payment, at)
    return stored.get(project=payment.project_id, payment_id=payment.pk)


def _customer(project: Project, payment_request: PaymentRequest, at: datetime) -> Customer:
    """The user; one who is to be charged while away must be known."""
    if not payment_request.off_session:
        return customers.ensure(project=project, user_id=payment_request.user_id, at=at)
    customer = people.find(project=project, user_id=payment_request.user_id)
    if customer is None:
        raise NoPaymentMethod("The user is not known yet: let them pay once on a page.")
    return customer


def _params(
    customer: Customer, account: StripeAccount, payment_request: PaymentRequest, at: datetime
) -> Fields:
    """What to ask of Stripe. Raises NoPaymentMethod, StripeUnavailable."""
    buyer: StripeCustomer | None = buyers.find_live(customer=customer, account=account)
    method = (
        payment_methods.choose(buyer=buyer, wanted=payment_request.payment_method)
        if payment_request.off_session
        else ""
    )
    if buyer is None and payment_request.save_payment_method:
        buyer = stripe_customers.ensure(customer=customer, account=account, at=at)
    params = payments.to_confirm(
        amount=payment_request.amount or 0,
        currency=payment_request.currency,
        customer_stripe_id=str(buyer.stripe_id) if buyer is not None else "",
        description=payment_request.description,
        metadata=payment_request.metadata,
        save_payment_method=payment_request.save_payment_method,
    )
    return payments.to_charge(params, payment_method=method) if method else params


def _make(row: Payment, params: Fields, *, at: datetime) -> None:
    """Have Stripe make it, and store what Stripe says of it."""
    answers: list[Fields] = []

    def remember(fields: Fields) -> dict[str, Any]:
        answers.append(fields)
        return {"client_secret": _sealed(row, fields)}

    try:
        intents.create_object(
            row, operation="payment_intent.create", params=params, at=at, values=remember
        )
    except StripeObjectMissing as missing:
        raise _reread(row, params, missing) from missing
    except CardDeclined:
        row.refresh_from_db()
        if not row.stripe_id:
            raise
    if answers and not row.off_session:
        _apply_first(row, answers[0], at)
    else:
        _read(row, at)


def _apply_first(row: Payment, fields: Fields, at: datetime) -> None:
    """Store the answer to the making of it, unless anything newer has been stored already."""
    with transaction.atomic():
        people.lock(project_id=row.project_id, customer_id=row.customer_id)
        row.refresh_from_db()
        if row.synced_at is None:
            apply.apply(
                account=row.account,
                kind=ObjectKind.PAYMENT_INTENT,
                stripe_id=str(row.stripe_id),
                snapshot=payments.read_created(fields),
                at=at,
            )


def _sealed(row: Payment, fields: Fields) -> str:
    """Kept with the id, so that whoever finds the payment made can pay it."""
    return crypto.encrypt(str(fields["client_secret"]), context=row.secret_context)


def _read(row: Payment, at: datetime) -> None:
    sync.now(
        account=row.account, kind=ObjectKind.PAYMENT_INTENT, stripe_id=str(row.stripe_id), at=at
    )


def _reread(row: Payment, params: Fields, missing: StripeObjectMissing) -> Exception:
    """Stripe does not know the customer any more: their row is read again."""
    if "customer" not in params:
        return missing
    sync.request_sync(
        account_id=row.account_id, kind=ObjectKind.CUSTOMER, stripe_id=params["customer"]
    )
    return StripeUnavailable(
        "Stripe no longer has the customer, who is being read again: send the same request in a "
        "moment.",
        retry_after=SHORTEST_WAIT,
    )
