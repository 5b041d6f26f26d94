"""Hosted checkout pages: open one, close it, and learn on return how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.errors import AlreadySubscribed, CheckoutNotOpen, CheckoutNotReady
from billing.models import Checkout, CheckoutLine, StripeCustomer
from billing.models.checkout import CheckoutStatus, CheckoutType
from billing.models.sync_object import Kind
from billing.selectors import checkouts
from billing.services import (
    detection,
    making,
    order_lines,
    orders,
    return_urls,
    stripe_customers,
    sync,
)
from billing.services.orders import Line
from billing.stripe import checkouts as sessions
from billing.stripe.client import client_for
from billing.stripe.errors import (
    SHORTEST_WAIT,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.snapshots import CheckoutSnapshot
from common.errors import Invalid
from common.ids import new_id
from common.queue import enqueue
from projects.models import Customer, Project
from projects.selectors import customers as people
from projects.services import customers

OUR_ID = "{CHECKOUT_ID}"
"""In a redirect address: replaced by the id of the checkout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a tenant asks for. ``lines`` are price ids and quantities."""

    user_id: str
    lines: Sequence[tuple[str, int]]
    success_url: str
    cancel_url: str = ""
    email: str = ""
    name: str = ""
    trial_period_days: int | None = None
    allow_promotion_codes: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


def open_page(
    *,
    project: Project,
    wish: Wish,
    type: CheckoutType | None,
    idempotency_key: str,
    at: datetime,
) -> Checkout:
    """A page on which the buyer can pay; without a ``type`` the prices decide which one it is.

    Raises an Invalid or Conflict for what cannot be bought, AlreadySubscribed for a second
    subscription to the same product. After StripeUnavailable the same request finishes what
    this one began.
    """
    lines = order_lines.read(project=project, wanted=wish.lines)
    orders.check(lines=lines)
    detected = detection.detect(project=project, lines=lines, wanted=type)
    found = CheckoutType(detected.type)
    if wish.trial_period_days is not None and found != CheckoutType.SUBSCRIPTION:
        raise Invalid("Only a subscription has a trial.", field="trial_period_days")
    return_urls.check(project=project, url=wish.success_url, field="success_url")
    if wish.cancel_url:
        return_urls.check(project=project, url=wish.cancel_url, field="cancel_url")
    customer = customers.ensure(
        project=project, user_id=wish.user_id, email=wish.email, name=wish.name, at=at
    )
    _refuse_second(customer, found, lines)
    buyer = stripe_customers.ensure(customer=customer, account=lines[0].price.account, at=at)
    row = _begin(customer, buyer, found, lines, wish, idempotency_key, at=at)
    _make(row, buyer, lines, at=at)
    return checkouts.get(project=project, checkout_id=row.pk)


def read_again(*, checkout: Checkout, at: datetime) -> Checkout:
    """What has become of it: the session, then the payment or subscription that it names.

    The same path as the webhooks', so it does not matter which comes first. Raises
    StripeUnavailable.
    """
    if not checkout.stripe_id:
        raise CheckoutNotReady("Send the request that opens it again.")
    account = checkout.account
    sync.now(account=account, kind=Kind.CHECKOUT_SESSION, stripe_id=checkout.stripe_id, at=at)
    checkout = checkouts.get(project=checkout.project, checkout_id=checkout.pk)
    made = {
        Kind.SUBSCRIPTION: checkout.subscription_stripe_id,
        Kind.PAYMENT_INTENT: checkout.payment_stripe_id,
    }
    for kind, stripe_id in made.items():
        if stripe_id:
            sync.now(account=account, kind=kind, stripe_id=stripe_id, at=at)
    return checkouts.get(project=checkout.project, checkout_id=checkout.pk)


def expire(*, checkout: Checkout, at: datetime) -> Checkout:
    """Close the page: nobody can pay on it any more. Raises CheckoutNotOpen."""
    if not checkout.stripe_id:
        raise CheckoutNotReady("Send the request that opens it again.")
    if checkout.status != CheckoutStatus.OPEN:
        raise CheckoutNotOpen(f"It is {checkout.status}.")
    client = client_for(checkout.account)
    try:
        sessions.expire(client, checkout.stripe_id, idempotency_key=new_id("req"))
    except StripeRefused as refusal:
        checkout = read_again(checkout=checkout, at=at)
        raise CheckoutNotOpen(f"It is {checkout.status}.") from refusal
    return read_again(checkout=checkout, at=at)


def _refuse_second(customer: Customer, type: CheckoutType, lines: Sequence[Line]) -> None:
    if type != CheckoutType.SUBSCRIPTION:
        return
    products = [line.price.product for line in lines]
    standing = checkouts.live_subscription(customer=customer, products=products)
    if standing is not None:
        raise AlreadySubscribed(
            f"Change or cancel {standing.pk} instead.", subscription=standing.pk
        )


def _begin(
    customer: Customer,
    buyer: StripeCustomer,
    type: CheckoutType,
    lines: Sequence[Line],
    wish: Wish,
    idempotency_key: str,
    *,
    at: datetime,
) -> Checkout:
    """The row of this request, made now or by an earlier try; parallel tries get the same one."""
    key = making.request_key(idempotency_key, "checkout", buyer.pk, type.value, _told(wish))
    with transaction.atomic():
        customer = people.lock(project_id=customer.project_id, customer_id=customer.pk)
        _refuse_second(customer, type, lines)
        rows = Checkout.objects.for_project(customer.project_id).filter(customer=customer)
        found = making.begun(rows, key=key, is_named=bool(idempotency_key), at=at)
        if found is not None:
            return found
        row = Checkout(
            project_id=customer.project_id,
            account=buyer.account,
            customer=customer,
            type=type,
            currency=lines[0].price.currency,
            trial_period_days=wish.trial_period_days,
            allow_promotion_codes=wish.allow_promotion_codes,
            metadata=wish.metadata,
            request_key=key,
        )
        row.success_url = wish.success_url.replace(OUR_ID, row.pk)
        row.cancel_url = wish.cancel_url.replace(OUR_ID, row.pk)
        row.save(force_insert=True)
        CheckoutLine.objects.for_project(row.project_id).bulk_create(
            CheckoutLine(
                project_id=row.project_id, checkout=row, price=line.price, quantity=line.quantity
            )
            for line in lines
        )
    return row


def _make(row: Checkout, buyer: StripeCustomer, lines: Sequence[Line], *, at: datetime) -> None:
    client = client_for(row.account)
    order = sessions.Order(
        our_id=row.pk,
        customer_stripe_id=buyer.stripe_id or "",
        is_subscription=row.type == CheckoutType.SUBSCRIPTION,
        lines=[(line.price.stripe_id or "", line.quantity) for line in lines],
        success_url=row.success_url,
        cancel_url=row.cancel_url,
        metadata=row.metadata,
        trial_period_days=row.trial_period_days,
        allow_promotion_codes=row.allow_promotion_codes,
    )
    try:
        making.once(
            row,
            create=lambda key: sessions.create(client, order, idempotency_key=key),
            created_since=lambda moment: sessions.iterate(client, created_since=moment),
            values=_opened,
            at=at,
        )
    except StripeObjectMissing as missing:
        _read_again_what_it_names(buyer, lines)
        raise StripeUnavailable(
            "Stripe no longer has the customer or a price. Both are being read again: send the "
            "same request in a moment.",
            retry_after=SHORTEST_WAIT,
        ) from missing


def _opened(made: CheckoutSnapshot) -> dict[str, Any]:
    return {
        "status": made.status,
        "payment_status": made.payment_status,
        "url": made.url,
        "amount_total": made.amount_total,
        "expires_at": made.expires_at,
    }


def _read_again_what_it_names(buyer: StripeCustomer, lines: Sequence[Line]) -> None:
    named = [(Kind.CUSTOMER, buyer.stripe_id)]
    named += [(Kind.PRICE, line.price.stripe_id) for line in lines]
    for kind, stripe_id in named:
        sync.mark(account_id=buyer.account_id, kind=kind, stripe_id=stripe_id or "")
    enqueue("billing.sync")


def _told(wish: Wish) -> list[Any]:
    return [
        [list(line) for line in wish.lines],
        wish.success_url,
        wish.cancel_url,
        wish.trial_period_days,
        wish.allow_promotion_codes,
        wish.metadata,
    ]
