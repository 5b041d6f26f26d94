"""The project's checkouts, and what stands in the way of another one."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from billing.models import Cart, Checkout, CheckoutLine, InvoicePayment, StripeAccount, Subscription
from billing.models.checkout import CheckoutStatus
from billing.models.price import PriceType
from billing.models.subscription import LIVE, SubscriptionStatus
from common.errors import NotFound
from common.ids import is_id
from common.models import ProjectQuerySet
from projects.models import Customer, Project

CLOCK_SKEW = timedelta(minutes=10)
"""How much later a page may close by Stripe's clock than by ours."""
UNREAD_FOR = timedelta(days=1)
"""How long a subscription that a page has made may be missing here before nobody expects it."""


def get(*, project: Project, checkout_id: str) -> Checkout:
    """One checkout with all that its representation names; raises NotFound."""
    row = (
        Checkout.objects.for_project(project)
        .select_related("customer", "account", "project")
        .prefetch_related("lines__price", "payments")
        .filter(pk=checkout_id)
        .first()
    )
    if row is None:
        raise NotFound("No checkout with this id.")
    return row


def named(*, project: Project, name: str) -> Checkout:
    """One checkout by our id, or by Stripe's of its session, which Stripe puts into the address of
    a buyer who comes back (``{CHECKOUT_SESSION_ID}``); raises NotFound."""
    if is_id(name, "chk"):
        return get(project=project, checkout_id=name)
    accounts = StripeAccount.objects.filter(Q(project=None) | Q(project=project))
    rows = Checkout.objects.for_project(project).filter(account__in=accounts, stripe_id=name)
    found = rows.values_list("pk", flat=True).first()
    return get(project=project, checkout_id=found or "")


def live_subscription(
    *, customer: Customer, products: Collection[str], besides: str = ""
) -> Subscription | None:
    """A subscription of the customer, ``besides`` this one, to one of these products that has not
    ended, or that is to become one with its next period.

    One that is incomplete counts when a page was paid for it: its payment is under way.
    """
    paid_for = (
        Checkout.objects.for_project(customer.project_id)
        .filter(customer=customer, status=CheckoutStatus.COMPLETE)
        .exclude(subscription_stripe_id="")
    )
    is_beginning = Q(
        status=SubscriptionStatus.INCOMPLETE,
        stripe_id__in=paid_for.values("subscription_stripe_id"),
    )
    is_theirs = Q(items__price__product__in=products)
    for product in products:
        is_theirs |= Q(scheduled_items__contains=[{"product": product}])
    return (
        Subscription.objects.for_project(customer.project_id)
        .filter(Q(status__in=LIVE) | is_beginning, customer=customer)
        .filter(is_theirs)
        .exclude(pk=besides)
        .order_by("id")
        .first()
    )


def in_the_way(
    *, customer: Customer, products: Collection[str], cart: Cart | None, at: datetime
) -> list[Checkout]:
    """Pages on which the customer can, or may be about to, subscribe to one of these products or
    pay this cart; and those that were paid without their subscription being known here.

    One that Stripe has yet to answer for counts as much as an open one: until the time at which
    it would close, nobody else may open another.
    """
    payable = Q(status__in=[CheckoutStatus.OPENING, CheckoutStatus.OPEN])
    payable &= ~Q(expires_at__lte=at - CLOCK_SKEW)
    subscribing = CheckoutLine.objects.for_project(customer.project_id).filter(
        checkout=OuterRef("pk"), price__type=PriceType.RECURRING, price__product__in=products
    )
    same = Exists(subscribing)
    same_cart = Q(cart=cart) if cart is not None else Q(pk__in=())
    return list(
        _of(customer)
        .filter((payable & (same | same_cart)) | (_is_unread(customer, at) & same))
        .select_related("account", "customer", "project")
        .order_by("id")
    )


def payers(checkout: Checkout) -> list[str]:
    """Stripe's ids of what pays for this checkout: its own payment, or those of its invoice."""
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


def subscription_id(*, checkout: Checkout) -> str | None:
    """Our id of the subscription that the page has made, once we know it."""
    if not checkout.subscription_stripe_id:
        return None
    return (
        Subscription.objects.for_project(checkout.project_id)
        .filter(account_id=checkout.account_id, stripe_id=checkout.subscription_stripe_id)
        .values_list("pk", flat=True)
        .first()
    )


def _is_unread(customer: Customer, at: datetime) -> Q:
    known = Subscription.objects.for_project(customer.project_id).filter(
        account=OuterRef("account"), stripe_id=OuterRef("subscription_stripe_id")
    )
    return Q(~Exists(known), status=CheckoutStatus.COMPLETE, completed_at__gt=at - UNREAD_FOR) & ~Q(
        subscription_stripe_id=""
    )


def _of(customer: Customer) -> ProjectQuerySet[Checkout]:
    return Checkout.objects.for_project(customer.project_id).filter(customer=customer)
