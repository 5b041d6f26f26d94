"""Open hosted checkout pages, close them, and read them again from Stripe.

A customer has at most one open page per product to subscribe to, and one per cart: two pages could
both be paid. Our row decides: it is inserted under the customer's lock before the request to
Stripe, and no second row is inserted until Stripe has confirmed that the first page is closed
(``docs/checkout.md``).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from billing.accounts import stripe_customers
from billing.checkout import checkout_orders, checkout_requests, discounts, sessions
from billing.checkout.checkout_requests import CheckoutOrder, CheckoutRequest
from billing.checkout.selectors import carts, checkouts
from billing.errors import AlreadySubscribed, CheckoutNotOpen, CheckoutNotReady
from billing.models import Cart, Checkout, CheckoutLine, StripeCustomer
from billing.models.cart import CartStatus
from billing.models.checkout import CheckoutStatus
from billing.outbound import request_dedup
from billing.stripe.errors import SHORTEST_WAIT
from projects.customers import selectors as customer_selectors
from projects.customers import service as customers
from projects.models import Customer, Project

__all__ = ["close", "open_page", "read_again"]

CHECKOUT_ID_PLACEHOLDER = "{CHECKOUT_ID}"
"""Replaced by the checkout's id in ``success_url`` and ``cancel_url``."""
MAX_ATTEMPTS = 5
"""Attempts to close blocking pages: between two of them another request may open a new one."""

read_again = sessions.read_again
close = sessions.close


def open_page(
    *,
    project: Project,
    request: CheckoutRequest,
    requested_type: str | None,
    idempotency_key: str,
    at: datetime,
) -> Checkout:
    """Return the open page for this request. Detect its type if ``requested_type`` is None.

    An earlier page for the same product or cart is returned if it sells exactly the same, and
    closed otherwise. Raises subclasses of Invalid and Conflict for an order that cannot be sold,
    AlreadySubscribed for a second subscription to a product. After StripeUnavailable or
    CheckoutNotReady the same request finishes the work.
    """
    order = checkout_orders.build_order(
        project=project, request=request, requested_type=requested_type, at=at
    )
    customer = _ensure_customer(project, order, at=at)
    _check_not_subscribed(customer, order)
    order = discounts.prepare(order, at=at)
    account = order.lines[0].price.account
    buyer = stripe_customers.ensure(customer=customer, account=account, at=at)
    for _ in range(MAX_ATTEMPTS):
        row_or_pages = _find_or_create_row(customer, buyer, order, idempotency_key, at=at)
        if isinstance(row_or_pages, Checkout):
            page = _open_at_stripe(row_or_pages, project, at=at)
            if page.status == CheckoutStatus.OPEN or idempotency_key:
                return page
            continue  # another request got the same page, and its buyer has paid already
        open_page = _find_open_page(row_or_pages, at=at)
        if open_page is not None:
            return open_page
        for page in row_or_pages.pages:
            sessions.ensure_closed(checkout=page, at=at)
    raise CheckoutNotReady(
        "Other requests keep opening pages for the same product or cart. Send this one again.",
        retry_after=SHORTEST_WAIT,
    )


def _ensure_customer(project: Project, order: CheckoutOrder, *, at: datetime) -> Customer:
    if order.cart is not None:
        return order.cart.customer
    request = order.request
    return customers.ensure(
        project=project, user_id=request.user_id, email=request.email, name=request.name, at=at
    )


def _check_not_subscribed(customer: Customer, order: CheckoutOrder) -> None:
    products = order.subscribed_products
    if not products:
        return
    subscription = checkouts.find_live_subscription(customer=customer, products=products)
    if subscription is not None:
        raise AlreadySubscribed(
            f"Change or cancel {subscription.pk} instead.", subscription=subscription.pk
        )


@dataclass(frozen=True, slots=True)
class _BlockingPages:
    """Pages to close or to return before a new one is opened, and the key of the new order."""

    pages: list[Checkout]
    order_key: str


def _find_or_create_row(
    customer: Customer,
    buyer: StripeCustomer,
    order: CheckoutOrder,
    idempotency_key: str,
    *,
    at: datetime,
) -> Checkout | _BlockingPages:
    """Return the row of this request, created now or by an earlier attempt.

    If other pages block it, create no row and return those pages.
    """
    with transaction.atomic():
        customer = customer_selectors.lock(project_id=customer.project_id, customer_id=customer.pk)
        order = _reload_cart(order, at=at)
        _check_not_subscribed(customer, order)
        fingerprint = [buyer.pk, order.fingerprint()]
        key = request_dedup.request_key(idempotency_key, "checkout", *fingerprint)
        earlier = request_dedup.find_earlier(
            Checkout,
            project_id=customer.project_id,
            key=key,
            is_named=bool(idempotency_key),
            at=at,
            condition=request_dedup.OF_CUSTOMER,
            customer_id=customer.pk,
        )
        if earlier is not None:
            return earlier
        order_key = request_dedup.request_key("", "checkout", *fingerprint)
        pages_before = checkouts.find_blocking_pages(
            customer=customer, products=order.subscribed_products, cart=order.cart, at=at
        )
        if pages_before:
            return _BlockingPages(pages_before, order_key)
        return _create_row(customer, buyer, order, key, order_key, at=at)


def _reload_cart(order: CheckoutOrder, *, at: datetime) -> CheckoutOrder:
    """Return the order with the present lines of its cart."""
    if order.cart is None:
        return order
    cart = carts.get(project=order.cart.project_id, cart_id=order.cart.pk)
    return replace(order, cart=cart, lines=checkout_orders.load_cart_lines(cart=cart, at=at))


def _open_at_stripe(row: Checkout, project: Project, *, at: datetime) -> Checkout:
    """Open the page at Stripe and return its row as it is then: open, or completed already.

    Raises CheckoutNotOpen if it closed before Stripe answered.
    """
    sessions.create(checkout=row, at=at)
    page = checkouts.get(project=project, checkout_id=row.pk)
    if page.status == CheckoutStatus.EXPIRED:
        raise CheckoutNotOpen(
            "The page has expired, or a later request for the same product or cart has closed it. "
            "Send a new request to open another page."
        )
    return page


def _find_open_page(blocking: _BlockingPages, *, at: datetime) -> Checkout | None:
    """Return the page for the same order if it is open at Stripe, which is asked.

    Open it first if Stripe has not created it yet.
    """
    page = next((page for page in blocking.pages if page.order_key == blocking.order_key), None)
    if page is None:
        return None
    if page.stripe_id:
        page = sessions.read_again(checkout=page, at=at)
    else:
        sessions.create(checkout=page, at=at)
    return page if page.status == CheckoutStatus.OPEN else None


def _create_row(
    customer: Customer,
    buyer: StripeCustomer,
    order: CheckoutOrder,
    key: str,
    order_key: str,
    *,
    at: datetime,
) -> Checkout:
    request, project = order.request, customer.project
    row = Checkout(
        project_id=customer.project_id,
        account=buyer.account,
        customer=customer,
        cart=order.cart,
        type=order.checkout_type,
        detected=order.detected,
        currency=order.lines[0].price.currency,
        trial_period_days=request.trial_period_days,
        trial_without_card=request.trial_without_card,
        trial_end_behavior=request.trial_end_behavior,
        allow_promotion_codes=request.allow_promotion_codes,
        promotion_code=order.promotion_code,
        coupon=order.coupon,
        automatic_tax=_or_project_default(request.automatic_tax, project),
        tax_id_collection=_or_project_default(request.tax_id_collection, project),
        save_payment_method=request.save_payment_method,
        metadata=request.metadata,
        workflow_id=request.workflow_id,
        expires_at=checkout_requests.compute_expires_at(request=request, at=at),
        request_key=key,
        order_key=order_key,
    )
    row.success_url = request.success_url.replace(CHECKOUT_ID_PLACEHOLDER, row.pk)
    row.cancel_url = request.cancel_url.replace(CHECKOUT_ID_PLACEHOLDER, row.pk)
    row.save(force_insert=True)
    CheckoutLine.objects.for_project(row.project_id).bulk_create(
        CheckoutLine(
            project_id=row.project_id, checkout=row, price=line.price, quantity=line.quantity
        )
        for line in order.lines
    )
    if order.cart is not None:
        Cart.objects.for_project(row.project_id).filter(pk=order.cart.pk).update(
            status=CartStatus.FROZEN, checkout=row, updated_at=at
        )
    return row


def _or_project_default(requested: bool | None, project: Project) -> bool:
    return project.automatic_tax if requested is None else requested
