"""Hosted checkout pages: open one, close it, and learn on return how it ended.

A customer has one page at a time on which to subscribe to a product, and one for a cart, for two
could both be paid. Our row is what counts: it is there, under the customer's lock, before Stripe
is asked for the page, and until Stripe has said that this page is closed no other row is made
(``docs/checkout.md``).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from billing.accounts import stripe_customers
from billing.checkout import checkout_requests, discounts, sessions
from billing.checkout.checkout_requests import Sale, Wish
from billing.checkout.selectors import carts, checkouts
from billing.errors import AlreadySubscribed, CheckoutNotOpen, CheckoutNotReady
from billing.models import Cart, Checkout, CheckoutLine, StripeCustomer
from billing.models.cart import CartStatus
from billing.models.checkout import CheckoutStatus
from billing.outbound import request_dedup
from billing.stripe.errors import SHORTEST_WAIT
from projects.models import Customer, Project
from projects.selectors import customers as customer_selectors
from projects.services import customers

__all__ = ["Wish", "close", "open_page", "read_again"]

OUR_ID = "{CHECKOUT_ID}"
"""In a redirect address: replaced by the id of the checkout."""
TRIES = 5
"""Of clearing the way: each time somebody else's page may have come between."""

read_again = sessions.read_again
close = sessions.close


def open_page(
    *, project: Project, wish: Wish, type: str | None, idempotency_key: str, at: datetime
) -> Checkout:
    """The page on which the buyer can pay; without a ``type`` that is detected.

    An earlier page on which to subscribe to the same product, or of the same cart, is handed out
    again if it sells the very same, and closed if not. Raises an Invalid or Conflict for what
    cannot be bought, AlreadySubscribed for a second subscription to the same product. After
    StripeUnavailable or CheckoutNotReady the same request finishes what this one began.
    """
    sale = checkout_requests.check(project=project, wish=wish, type=type, at=at)
    customer = _customer(project, sale, at=at)
    _refuse_second(customer, sale)
    sale = discounts.prepare(sale, at=at)
    account = sale.lines[0].price.account
    buyer = stripe_customers.ensure(customer=customer, account=account, at=at)
    for _ in range(TRIES):
        found = _begin(customer, buyer, sale, idempotency_key, at=at)
        if isinstance(found, Checkout):
            _make(found, at=at)
            return checkouts.get(project=project, checkout_id=found.pk)
        twin = next((page for page in found.pages if page.order_key == found.order_key), None)
        if twin is not None and _is_open(twin, at=at):
            return checkouts.get(project=project, checkout_id=twin.pk)
        for page in found.pages:
            sessions.end(checkout=page, at=at)
    raise CheckoutNotReady(
        "Other requests open pages for the same. Try again in a moment.",
        retry_after=SHORTEST_WAIT,
    )


def _customer(project: Project, sale: Sale, *, at: datetime) -> Customer:
    if sale.cart is not None:
        return sale.cart.customer
    wish = sale.wish
    return customers.ensure(
        project=project, user_id=wish.user_id, email=wish.email, name=wish.name, at=at
    )


def _refuse_second(customer: Customer, sale: Sale) -> None:
    products = sale.subscribed_products
    if not products:
        return
    standing = checkouts.live_subscription(customer=customer, products=products)
    if standing is not None:
        raise AlreadySubscribed(
            f"Change or cancel {standing.pk} instead.", subscription=standing.pk
        )


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Pages that have to end before there can be a new one, or that sell the same."""

    pages: list[Checkout]
    order_key: str


def _begin(
    customer: Customer, buyer: StripeCustomer, sale: Sale, idempotency_key: str, *, at: datetime
) -> Checkout | _Earlier:
    """The row of this request, made now or by an earlier try of it, unless there are pages in the
    way: then those, and no row."""
    with transaction.atomic():
        customer = customer_selectors.lock(project_id=customer.project_id, customer_id=customer.pk)
        sale = _as_it_is_now(sale, at=at)
        _refuse_second(customer, sale)
        told = [buyer.pk, sale.told()]
        key = request_dedup.request_key(idempotency_key, "checkout", *told)
        rows = Checkout.objects.for_project(customer.project_id).filter(customer=customer)
        own = request_dedup.begun(rows, key=key, is_named=bool(idempotency_key), at=at)
        if own is not None:
            return own
        order_key = request_dedup.request_key("", "checkout", *told)
        pages_before = checkouts.in_the_way(
            customer=customer, products=sale.subscribed_products, cart=sale.cart, at=at
        )
        if pages_before:
            return _Earlier(pages_before, order_key)
        return _new(customer, buyer, sale, key, order_key, at=at)


def _as_it_is_now(sale: Sale, *, at: datetime) -> Sale:
    """The sale with what is in the cart at this moment."""
    if sale.cart is None:
        return sale
    cart = carts.get(project=sale.cart.project_id, cart_id=sale.cart.pk)
    return replace(sale, cart=cart, lines=checkout_requests.lines_of(cart=cart, at=at))


def _make(row: Checkout, *, at: datetime) -> None:
    """Raises CheckoutNotOpen for a page that has closed before this request had its answer."""
    sessions.make(checkout=row, at=at)
    if row.status == CheckoutStatus.EXPIRED:
        raise CheckoutNotOpen(
            "It has expired, or a later request for the same product or cart has closed it. Send "
            "a new request for another page."
        )


def _is_open(page: Checkout, *, at: datetime) -> bool:
    """Whether the page can be paid on, says Stripe; it is made if that is still to be done."""
    if page.stripe_id:
        page = sessions.read_again(checkout=page, at=at)
    else:
        sessions.make(checkout=page, at=at)
    return page.status == CheckoutStatus.OPEN


def _new(
    customer: Customer,
    buyer: StripeCustomer,
    sale: Sale,
    key: str,
    order_key: str,
    *,
    at: datetime,
) -> Checkout:
    wish, project = sale.wish, customer.project
    row = Checkout(
        project_id=customer.project_id,
        account=buyer.account,
        customer=customer,
        cart=sale.cart,
        type=sale.type,
        detected=sale.detected,
        currency=sale.lines[0].price.currency,
        trial_period_days=wish.trial_period_days,
        trial_without_card=wish.trial_without_card,
        trial_end_behavior=wish.trial_end_behavior,
        allow_promotion_codes=wish.allow_promotion_codes,
        promotion_code=sale.promotion_code,
        coupon=sale.coupon,
        automatic_tax=_or_project(wish.automatic_tax, project),
        tax_id_collection=_or_project(wish.tax_id_collection, project),
        save_payment_method=wish.save_payment_method,
        metadata=wish.metadata,
        expires_at=checkout_requests.expiry(wish=wish, at=at),
        request_key=key,
        order_key=order_key,
    )
    row.success_url = wish.success_url.replace(OUR_ID, row.pk)
    row.cancel_url = wish.cancel_url.replace(OUR_ID, row.pk)
    row.save(force_insert=True)
    CheckoutLine.objects.for_project(row.project_id).bulk_create(
        CheckoutLine(
            project_id=row.project_id, checkout=row, price=line.price, quantity=line.quantity
        )
        for line in sale.lines
    )
    if sale.cart is not None:
        Cart.objects.for_project(row.project_id).filter(pk=sale.cart.pk).update(
            status=CartStatus.FROZEN, checkout=row, updated_at=at
        )
    return row


def _or_project(said: bool | None, project: Project) -> bool:
    return project.automatic_tax if said is None else said
