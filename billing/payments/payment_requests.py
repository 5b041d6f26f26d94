"""Create one row per payment request, and find it when the same request comes again.

A reference names the same payment of a project for ever. A request without a reference is
recognised for a day by its ``Idempotency-Key``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing.checkout.checkout_requests import LONGEST_OPEN
from billing.errors import ReferenceReused
from billing.models import Payment, StripeAccount
from billing.models.payment import PaymentType
from billing.outbound import request_dedup
from billing.payments.selectors import payments
from billing.stripe.errors import StripeNotAsked
from common.inserts import insert
from common.money import Money
from projects.customers import selectors as people
from projects.models import Customer, Project

_WITHOUT_PAGE = request_dedup.OF_CUSTOMER & Q(checkout__isnull=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequest:
    """A tenant's request: ``amount`` in minor units, ``lines`` (price id, quantity) or ``cart``.

    ``page`` holds the further fields of a hosted page (see ``CheckoutRequest``). ``expires_in`` is
    in seconds. ``workflow_id`` names the workflow that is signaled; the first request's counts.
    """

    user_id: str = ""
    type: str | None = None
    amount: int | None = None
    currency: str = ""
    lines: Sequence[tuple[str, int]] = ()
    cart: str = ""
    reference: str = ""
    expires_in: int | None = None
    description: str = ""
    off_session: bool = False
    payment_method: str = ""
    save_payment_method: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    workflow_id: str = ""
    page: Mapping[str, Any] = field(default_factory=dict)


def find_by_reference(*, project: Project | str, payment_request: PaymentRequest) -> Payment | None:
    """Return the payment that has this reference, None without one.

    Raises ReferenceReused if that payment differs from the request.
    """
    if not payment_request.reference:
        return None
    row = payments.find_by_reference(project=project, reference=payment_request.reference)
    if row is not None:
        _check_same(row, payment_request)
    return row


def find_earlier_attempt(
    *, customer: Customer, payment_request: PaymentRequest, idempotency_key: str, at: datetime
) -> Payment | None:
    """Return the payment that an earlier attempt of the same request left, None if there is none.

    Without an idempotency key a payment that has its page is not returned: that request was
    answered, so this one is new.
    """
    return request_dedup.find_earlier(
        Payment,
        project_id=customer.project_id,
        key=_request_key(customer, payment_request, idempotency_key),
        is_named=bool(idempotency_key),
        at=at,
        condition=request_dedup.OF_CUSTOMER if idempotency_key else _WITHOUT_PAGE,
        customer_id=customer.pk,
    )


def ensure_row(
    *,
    customer: Customer,
    account: StripeAccount,
    payment_request: PaymentRequest,
    payment_type: PaymentType,
    money: Money,
    detected: dict[str, str],
    idempotency_key: str,
    at: datetime,
) -> tuple[Payment, bool]:
    """Return the request's row, and whether it is new. Parallel requests get the same row.

    Raises ReferenceReused, and StripeNotAsked if a parallel request has deleted its row.
    """
    with transaction.atomic():
        customer = people.lock(project_id=customer.project_id, customer_id=customer.pk)
        existing = find_by_reference(
            project=customer.project_id, payment_request=payment_request
        ) or find_earlier_attempt(
            customer=customer,
            payment_request=payment_request,
            idempotency_key=idempotency_key,
            at=at,
        )
        if existing is not None:
            return existing, False
        row = Payment(
            project_id=customer.project_id,
            account=account,
            customer=customer,
            type=payment_type,
            detected=detected,
            reference=payment_request.reference,
            description=payment_request.description,
            currency=money.currency,
            amount=money.amount,
            off_session=payment_request.off_session,
            save_payment_method=payment_request.save_payment_method,
            expires_at=_compute_expires_at(payment_request, at),
            metadata=payment_request.metadata,
            workflow_id=payment_request.workflow_id,
            request_key=_request_key(customer, payment_request, idempotency_key),
        )
        if insert(row):
            return row, True
        existing = find_by_reference(project=customer.project_id, payment_request=payment_request)
    if existing is None:  # a parallel request deleted its row between the two statements
        raise StripeNotAsked(
            "Another request used this reference and was refused. Send this one again.",
            retry_after=1,
        )
    return existing, False


def delete_unused(row: Payment) -> None:
    """Delete a row that has neither a PaymentIntent nor a page, and no event."""
    rows = Payment.objects.for_project(row.project_id)
    rows.filter(pk=row.pk, stripe_id__isnull=True, checkout__isnull=True).delete()


def _compute_expires_at(payment_request: PaymentRequest, at: datetime) -> datetime | None:
    """Return when the payment expires: without ``expires_in`` never, with a page after a day."""
    if payment_request.expires_in is None:
        return None if payment_request.amount is not None else at + LONGEST_OPEN
    return at + timedelta(seconds=payment_request.expires_in)


def _request_key(customer: Customer, payment_request: PaymentRequest, idempotency_key: str) -> str:
    """Return the key that recognises a repeated request.

    The key of a request with a reference covers only what is to be paid.
    """
    if payment_request.reference:
        order = [
            payment_request.amount,
            payment_request.currency,
            payment_request.lines,
            payment_request.cart,
        ]
        return request_dedup.request_key(
            "", "payment", customer.pk, payment_request.reference, order
        )
    fields = asdict(payment_request)
    if not payment_request.workflow_id:
        del fields["workflow_id"]  # requests that were sent before the field existed keep their key
    return request_dedup.request_key(idempotency_key, "payment", customer.pk, fields)


def _check_same(row: Payment, payment_request: PaymentRequest) -> None:
    differs = list(_differing_fields(row, payment_request))
    if differs:
        raise ReferenceReused(
            f"The reference names {row.pk}, which has another {', another '.join(differs)}. Send a "
            "new reference for each payment.",
            payment=row.pk,
            differs=differs,
        )


def _differing_fields(row: Payment, payment_request: PaymentRequest) -> Sequence[str]:
    """Return the names of the request's fields that differ from the stored payment."""
    is_intent = row.type == PaymentType.INTENT
    differences = {
        "user_id": payment_request.user_id
        and payment_request.user_id not in (row.customer.user_id, row.customer_id),
        "type": is_intent != (payment_request.amount is not None)
        or payment_request.type not in (None, row.type),
        "amount": is_intent
        and payment_request.amount is not None
        and payment_request.amount != row.amount,
        "currency": is_intent
        and payment_request.amount is not None
        and payment_request.currency != row.currency,
    }
    if row.checkout is not None:
        lines = {line.price_id: line.quantity for line in row.checkout.lines.all()}
        differences["lines"] = bool(payment_request.lines) and dict(payment_request.lines) != lines
        differences["cart"] = (
            bool(payment_request.cart) and payment_request.cart != row.checkout.cart_id
        )
    elif not is_intent:  # without a page yet, only the request key tells the lines
        differences["lines"] = row.request_key != _request_key(row.customer, payment_request, "")
    return [name for name, is_different in differences.items() if is_different]
