"""Create payments of the type intent: PaymentIntents without a hosted page.

The tenant's own front end confirms the PaymentIntent, or Tollgate charges it to a saved payment
method while the user is away (off session).
"""

from dataclasses import replace
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


def create(
    *,
    project: Project,
    payment_request: PaymentRequest,
    detected: dict[str, str],
    idempotency_key: str,
    at: datetime,
) -> tuple[Payment, bool]:
    """Return the request's payment, and whether this request created it.

    A payment that is confirmed on session costs one Stripe call. Raises NoPaymentMethod, and
    CardDeclined for an off-session payment that the bank refused: its row stays with the status
    ``failed``. After StripeUnavailable the same request finishes the work.
    """
    customer = _ensure_customer(project, payment_request, at)
    account = stripe_accounts.account_for(project)
    row = payment_requests.find_earlier_attempt(
        customer=customer, payment_request=payment_request, idempotency_key=idempotency_key, at=at
    )
    is_new = True
    if row is None:
        params = _build_params(customer, account, payment_request, at)
        row, is_new = payment_requests.ensure_row(
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
            _create_at_stripe(row, params, at=at)
    row = finish(payment=row, payment_request=payment_request, at=at)
    if row.off_session and row.status == PaymentStatus.FAILED:
        raise CardDeclined(row.failure_message, decline_code=row.failure_code, payment=row.pk)
    return row, is_new or not payment_request.reference


def finish(*, payment: Payment, payment_request: PaymentRequest, at: datetime) -> Payment:
    """Finish a payment whose earlier request stopped before its end.

    Raises NoPaymentMethod, CardDeclined, StripeUnavailable.
    """
    if not payment.stripe_id:
        payment_request = replace(payment_request, workflow_id=payment.workflow_id)
        params = _build_params(payment.customer, payment.account, payment_request, at)
        _create_at_stripe(payment, params, at=at)
    elif not payment.client_secret:
        _sync_payment(payment, at)
    return stored.get(project=payment.project_id, payment_id=payment.pk)


def _ensure_customer(project: Project, payment_request: PaymentRequest, at: datetime) -> Customer:
    """Return the request's customer, created if needed.

    Raises NoPaymentMethod for an off-session payment of an unknown user.
    """
    if not payment_request.off_session:
        return customers.ensure(project=project, user_id=payment_request.user_id, at=at)
    customer = people.find(project=project, user_id=payment_request.user_id)
    if customer is None:
        raise NoPaymentMethod("The user is unknown. Let the user pay once on a hosted page.")
    return customer


def _build_params(
    customer: Customer, account: StripeAccount, payment_request: PaymentRequest, at: datetime
) -> Fields:
    """Build Stripe's parameters. Raises NoPaymentMethod, StripeUnavailable."""
    buyer: StripeCustomer | None = buyers.find_live(customer=customer, account=account)
    method = (
        payment_methods.choose_method(buyer=buyer, requested_method=payment_request.payment_method)
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
        workflow_id=payment_request.workflow_id,
        save_payment_method=payment_request.save_payment_method,
    )
    return payments.to_charge(params, payment_method=method) if method else params


def _create_at_stripe(row: Payment, params: Fields, *, at: datetime) -> None:
    """Create the PaymentIntent, then store what Stripe answers."""
    answers: list[Fields] = []

    def values_with_secret(fields: Fields) -> dict[str, Any]:
        answers.append(fields)
        return {"client_secret": _encrypt_client_secret(row, fields)}

    try:
        intents.create_object(
            row, operation="payment_intent.create", params=params, at=at, values=values_with_secret
        )
    except StripeObjectMissing as missing:
        raise _handle_missing_customer(row, params, missing) from missing
    except CardDeclined:
        row.refresh_from_db()
        if not row.stripe_id:
            raise
    if answers and not row.off_session:
        _apply_answer(row, answers[0], at)
    else:
        _sync_payment(row, at)


def _apply_answer(row: Payment, fields: Fields, at: datetime) -> None:
    """Store the answer of the create request, unless a newer read has been stored already."""
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


def _encrypt_client_secret(row: Payment, fields: Fields) -> str:
    """Encrypt the client secret. It is stored with the id, so a repeated request can return it."""
    return crypto.encrypt(str(fields["client_secret"]), context=row.secret_context)


def _sync_payment(row: Payment, at: datetime) -> None:
    sync.now(
        account=row.account, kind=ObjectKind.PAYMENT_INTENT, stripe_id=str(row.stripe_id), at=at
    )


def _handle_missing_customer(
    row: Payment, params: Fields, missing: StripeObjectMissing
) -> Exception:
    """Request a sync of the customer that Stripe no longer has. Return the error to raise."""
    if "customer" not in params:
        return missing
    sync.request_sync(
        account_id=row.account_id, kind=ObjectKind.CUSTOMER, stripe_id=params["customer"]
    )
    return StripeUnavailable(
        "Stripe no longer has the customer. Tollgate reads it again: send the same request in a "
        "few seconds.",
        retry_after=SHORTEST_WAIT,
    )
