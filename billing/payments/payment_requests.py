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
class Wish:
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


def of_reference(*, project: Project | str, wish: Wish) -> Payment | None:
    """The payment that the reference names already. Raises ReferenceReused for another one."""
    if not wish.reference:
        return None
    row = payments.of_reference(project=project, reference=wish.reference)
    if row is not None:
        _check_same(row, wish)
    return row


def begun(*, customer: Customer, wish: Wish, idempotency_key: str, at: datetime) -> Payment | None:
    """The payment that an earlier try of the same request has left, if any."""
    rows = Payment.objects.for_project(customer.project_id).filter(customer=customer)
    if not idempotency_key:
        rows = rows.filter(checkout__isnull=True)  # with a page, it has had its answer
    return request_dedup.find_earlier(
        rows,
        key=_key(customer, wish, idempotency_key),
        is_named=bool(idempotency_key),
        at=at,
    )


def begin(
    *,
    customer: Customer,
    account: StripeAccount,
    wish: Wish,
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
        found = of_reference(project=customer.project_id, wish=wish) or begun(
            customer=customer, wish=wish, idempotency_key=idempotency_key, at=at
        )
        if found is not None:
            return found, False
        row = Payment(
            project_id=customer.project_id,
            account=account,
            customer=customer,
            type=payment_type,
            detected=detected,
            reference=wish.reference,
            description=wish.description,
            currency=money.currency,
            amount=money.amount,
            off_session=wish.off_session,
            save_payment_method=wish.save_payment_method,
            expires_at=_expiry(wish, at),
            metadata=wish.metadata,
            request_key=_key(customer, wish, idempotency_key),
        )
        if insert(row):
            return row, True
        found = of_reference(project=customer.project_id, wish=wish)
    if found is None:  # it was called off and taken back between the two statements
        raise StripeNotAsked("Another request had its reference. Send it again.", retry_after=1)
    return found, False


def take_back(row: Payment) -> None:
    """Nothing came of it and nobody was told: the request may be made again."""
    rows = Payment.objects.for_project(row.project_id)
    rows.filter(pk=row.pk, stripe_id__isnull=True, checkout__isnull=True).delete()


def _expiry(wish: Wish, at: datetime) -> datetime | None:
    """An amount may wait for ever, a page no longer than Stripe keeps it open."""
    if wish.expires_in is None:
        return None if wish.amount is not None else at + LONGEST_OPEN
    return at + timedelta(seconds=wish.expires_in)


def _key(customer: Customer, wish: Wish, idempotency_key: str) -> str:
    """Recognises the request; with a reference, which does that already, what is to be paid."""
    if wish.reference:
        paid = [wish.amount, wish.currency, wish.lines, wish.cart]
        return request_dedup.request_key("", "payment", customer.pk, wish.reference, paid)
    return request_dedup.request_key(idempotency_key, "payment", customer.pk, asdict(wish))


def _check_same(row: Payment, wish: Wish) -> None:
    differs = list(_differences(row, wish))
    if differs:
        raise ReferenceReused(
            f"It names {row.pk}, which has another {', another '.join(differs)}. Use a new "
            "reference for each payment.",
            payment=row.pk,
            differs=differs,
        )


def _differences(row: Payment, wish: Wish) -> Sequence[str]:
    """Which of the things that make a payment this one the request sees otherwise."""
    is_intent = row.type == PaymentType.INTENT
    found = {
        "user_id": wish.user_id and wish.user_id not in (row.customer.user_id, row.customer_id),
        "type": is_intent != (wish.amount is not None) or wish.type not in (None, row.type),
        "amount": is_intent and wish.amount is not None and wish.amount != row.amount,
        "currency": is_intent and wish.amount is not None and wish.currency != row.currency,
    }
    if row.checkout is not None:
        lines = {line.price_id: line.quantity for line in row.checkout.lines.all()}
        found["lines"] = bool(wish.lines) and dict(wish.lines) != lines
        found["cart"] = bool(wish.cart) and wish.cart != row.checkout.cart_id
    elif not is_intent:  # its page is still to be made
        found["lines"] = row.request_key != _key(row.customer, wish, "")
    return [name for name, is_other in found.items() if is_other]
