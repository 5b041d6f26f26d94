"""Read checkouts, and the pages and subscriptions that prevent another checkout."""

import json
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q

from billing.models import (
    Cart,
    Checkout,
    CheckoutLine,
    InvoicePayment,
    Payment,
    StripeAccount,
    Subscription,
)
from billing.models.checkout import CheckoutStatus
from billing.models.price import PriceType
from billing.models.subscription import LIVE, SubscriptionStatus
from common.errors import NotFound
from common.ids import is_id
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedQuery, PreparedValues, is_any
from projects.models import Customer, Project

CLOCK_SKEW = timedelta(minutes=10)
"""Stripe may close a page at most this much later than our clock says."""
UNREAD_LIMIT = timedelta(days=1)
"""How long a completed page blocks others while its subscription is not stored yet."""

_CHECKOUT = PreparedQuery(
    lambda: Checkout.objects.for_project(Parameter("project_id")).filter(pk=Parameter("id")),
    related=["customer", "account", "project"],
)
_BLOCKING_PAGES = PreparedQuery(
    lambda: _select_blocking_pages(),  # noqa: PLW0108  # defined below
    related=["customer", "account", "project"],
)
_LIVE_SUBSCRIPTION = PreparedQuery(
    lambda: _select_live_subscription()  # noqa: PLW0108  # defined below
)
_SUBSCRIPTION_ID = PreparedValues(
    lambda: (
        Subscription.objects.for_project(Parameter("project_id"))
        .filter(account_id=Parameter("account_id"), stripe_id=Parameter("stripe_id"))
        .order_by("id")
        .values_list("pk")[:1]
    )
)
_PAYMENTS = PreparedQuery(
    lambda: (
        Payment.objects.for_project(Parameter("project_id"))
        .filter(checkout_id=Parameter("checkout_id"))
        .order_by("id")
    )
)


def get(*, project: Project, checkout_id: str) -> Checkout:
    """Return one checkout with its customer, account and project. Raises NotFound."""
    row = _CHECKOUT.first(project_id=project.pk, id=checkout_id)
    if row is None:
        raise NotFound("No checkout with this id.")
    return row


def get_by_any_id(*, project: Project, any_id: str) -> Checkout:
    """Return one checkout by our id or by Stripe's session id. Raises NotFound.

    Stripe writes its own id into the address of a returning buyer, in place of
    ``{CHECKOUT_SESSION_ID}``.
    """
    if is_id(any_id, "chk"):
        return get(project=project, checkout_id=any_id)
    accounts = StripeAccount.objects.filter(Q(project=None) | Q(project=project))
    rows = Checkout.objects.for_project(project).filter(account__in=accounts, stripe_id=any_id)
    checkout_id = rows.values_list("pk", flat=True).first()
    return get(project=project, checkout_id=checkout_id or "")


def find_payments(*, checkout: Checkout) -> list[Payment]:
    """Return the payments of this checkout, oldest first."""
    return _PAYMENTS.rows(project_id=checkout.project_id, checkout_id=checkout.pk)


def find_live_subscription(
    *, customer: Customer, products: Collection[str], except_id: str = ""
) -> Subscription | None:
    """Return a live subscription of the customer to one of these products, None without one.

    It bills the product now or from its next period on, and is not ``except_id``. An incomplete
    subscription counts if its page was completed: its payment is in transit.
    """
    if not products:
        return None
    return _LIVE_SUBSCRIPTION.first(
        project_id=customer.project_id,
        customer_id=customer.pk,
        products=sorted(products),
        scheduled=[json.dumps([{"product": product}]) for product in sorted(products)],
        except_id=except_id,
    )


def _select_live_subscription() -> ProjectQuerySet[Subscription]:
    """``scheduled`` has for each product the JSON that scheduled items with it contain."""
    paid_for = (
        Checkout.objects.for_project(Parameter("project_id"))
        .filter(customer_id=Parameter("customer_id"), status=CheckoutStatus.COMPLETE)
        .exclude(subscription_stripe_id="")
    )
    is_beginning = Q(
        status=SubscriptionStatus.INCOMPLETE,
        stripe_id__in=paid_for.values("subscription_stripe_id"),
    )
    will_bill_product = Func(
        F("scheduled_items"),
        Parameter("scheduled"),
        template="(%(expressions)s::jsonb[]))",
        arg_joiner=" @> ANY(",
        output_field=BooleanField(),
    )
    return (
        Subscription.objects.for_project(Parameter("project_id"))
        .filter(Q(status__in=LIVE) | is_beginning, customer_id=Parameter("customer_id"))
        .filter(Q(is_any("items__price__product_id", "products")) | Q(will_bill_product))
        .exclude(pk=Parameter("except_id"))
        .order_by("id")[:1]
    )


def find_blocking_pages(
    *, customer: Customer, products: Collection[str], cart: Cart | None, at: datetime
) -> list[Checkout]:
    """Return pages on which the customer can subscribe to one of these products or pay this cart.

    Completed pages whose subscription is not stored yet are included. A page that Stripe has not
    confirmed yet counts as open until the time at which it would close.
    """
    return _BLOCKING_PAGES.rows(
        project_id=customer.project_id,
        customer_id=customer.pk,
        products=list(products),
        cart_id=cart.pk if cart is not None else "",
        closed_before=at - CLOCK_SKEW,
        completed_since=at - UNREAD_LIMIT,
    )


def _select_blocking_pages() -> ProjectQuerySet[Checkout]:
    subscription_lines = CheckoutLine.objects.for_project(Parameter("project_id")).filter(
        is_any("price__product_id", "products"),
        checkout=OuterRef("pk"),
        price__type=PriceType.RECURRING,
    )
    same_products = Exists(subscription_lines)
    payable = Q(status__in=[CheckoutStatus.OPENING, CheckoutStatus.OPEN])
    payable &= ~Q(expires_at__lte=Parameter("closed_before"))
    mirrored = Subscription.objects.for_project(Parameter("project_id")).filter(
        account=OuterRef("account"), stripe_id=OuterRef("subscription_stripe_id")
    )
    is_waiting_for_subscription = Q(
        ~Exists(mirrored),
        ~Q(subscription_stripe_id=""),
        status=CheckoutStatus.COMPLETE,
        completed_at__gt=Parameter("completed_since"),
    )
    return (
        Checkout.objects.for_project(Parameter("project_id"))
        .filter(
            (payable & (same_products | Q(cart_id=Parameter("cart_id"))))
            | (is_waiting_for_subscription & same_products),
            customer_id=Parameter("customer_id"),
        )
        .order_by("id")
    )


def find_payment_stripe_ids(checkout: Checkout) -> list[str]:
    """Return Stripe's ids of the payments of this checkout: its own, or those of its invoice."""
    if checkout.payment_stripe_id:
        return [checkout.payment_stripe_id]
    if not checkout.invoice_stripe_id:
        return []
    return list(
        InvoicePayment.objects.for_project(checkout.project_id)
        .filter(
            invoice__account_id=checkout.account_id,
            invoice__stripe_id=checkout.invoice_stripe_id,
        )
        .exclude(payment_stripe_id="")
        .values_list("payment_stripe_id", flat=True)
    )


def find_subscription_id(*, checkout: Checkout) -> str | None:
    """Return our id of the subscription that the page created, None until it is stored."""
    if not checkout.subscription_stripe_id:
        return None
    rows = _SUBSCRIPTION_ID.rows(
        project_id=checkout.project_id,
        account_id=checkout.account_id,
        stripe_id=checkout.subscription_stripe_id,
    )
    return rows[0][0] if rows else None
