"""Requests to take money: the row of each, made once, and found again by whoever asks again.

A reference names one payment of the project for life, whoever asks and however often. A request
without one is recognised for a day by its ``Idempotency-Key``, like every other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequest:
    """What a tenant wants money for: an ``amount`` in minor units, ``lines`` or a ``cart``.

    ``page`` is what else a hosted page may be told (``billing.checkout.checkout_requests``);
    ``expires_in`` is in seconds.
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
    page: Mapping[str, Any] = field(default_factory=dict)


def of_reference(*, project: Project | str, payment_request: PaymentRequest) -> Payment | None:
    """The payment that the reference names already. Raises ReferenceReused for another one."""
    if not payment_request.reference:
        return None
    row = payments.of_reference(project=project, reference=payment_request.reference)
    if row is not None:
        _check_same(row, payment_request)
    return row


def begun(
    *, customer: Customer, payment_request: PaymentRequest, idempotency_key: str, at: datetime
) -> Payment | None:
    """The payment that an earlier try of the same request has left, if any."""
    rows = Payment.objects.for_project(customer.project_id).filter(customer=customer)
    if not idempotency_key:
        rows = rows.filter(checkout__isnull=True)  # with a page, it has had its answer
    return request_dedup.find_earlier(
        rows,
        key=_key(customer, payment_request, idempotency_key),
        is_named=bool(idempotency_key),
        at=at,
    )


def begin(
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
    """The row of this request, and whether it is new; parallel requests get the same one.

    Raises ReferenceReused.
    """
    with transaction.atomic():
        customer = people.lock(project_id=customer.project_id, customer_id=customer.pk)
        found = of_reference(project=customer.project_id, payment_request=payment_request) or begun(
            customer=customer,
            payment_request=payment_request,
            idempotency_key=idempotency_key,
            at=at,
        )
        if found is not None:
            return found, False
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
            expires_at=_expiry(payment_request, at),
            metadata=payment_request.metadata,
            request_key=_key(customer, payment_request, idempotency_key),
        )
        if insert(row):
            return row, True
        found = of_reference(project=customer.project_id, payment_request=payment_request)
    if found is None:  # it was called off and taken back between the two statements
        raise StripeNotAsked("Another request had its reference. Send it again.", retry_after=1)
    return found, False


def take_back(row: Payment) -> None:
    """Nothing came of it and nobody was told: the request may be made again."""
    rows = Payment.objects.for_project(row.project_id)
    rows.filter(pk=row.pk, stripe_id__isnull=True, checkout__isnull=True).delete()


def _expiry(payment_request: PaymentRequest, at: datetime) -> datetime | None:
    """An amount may wait for ever, a page no longer than Stripe keeps it open."""
    if payment_request.expires_in is None:
        return None if payment_request.amount is not None else at + LONGEST_OPEN
    return at + timedelta(seconds=payment_request.expires_in)


def _key(customer: Customer, payment_request: PaymentRequest, idempotency_key: str) -> str:
    """Recognises the request; with a reference, which does that already, what is to be paid."""
    if payment_request.reference:
        paid = [
            payment_request.amount,
            payment_request.currency,
            payment_request.lines,
            payment_request.cart,
        ]
        return request_dedup.request_key(
            "", "payment", customer.pk, payment_request.reference, paid
        )
    return request_dedup.request_key(
        idempotency_key, "payment", customer.pk, asdict(payment_request)
    )


def _check_same(row: Payment, payment_request: PaymentRequest) -> None:
    differs = list(_differences(row, payment_request))
    if differs:
        raise ReferenceReused(
            f"It names {row.pk}, which has another {', another '.join(differs)}. Use a new "
            "reference for each payment.",
            payment=row.pk,
            differs=differs,
        )


def _differences(row: Payment, payment_request: PaymentRequest) -> Sequence[str]:
    """Which of the things that make a payment this one the request sees otherwise."""
    is_intent = row.type == PaymentType.INTENT
    found = {
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
        found["lines"] = bool(payment_request.lines) and dict(payment_request.lines) != lines
        found["cart"] = bool(payment_request.cart) and payment_request.cart != row.checkout.cart_id
    elif not is_intent:  # its page is still to be made
        found["lines"] = row.request_key != _key(row.customer, payment_request, "")
    return [name for name, is_other in found.items() if is_other]
