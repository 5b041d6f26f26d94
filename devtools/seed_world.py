"""What happens in a demo project: apps, users, purchases, use, grants, refunds, cancellations.

Every step first checks whether its result exists, as in ``devtools.seed``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from billing.checkout import service as checkouts
from billing.checkout.checkout_requests import CheckoutRequest
from billing.models import Checkout, Payment, Price, Refund, Subscription
from billing.models.checkout import CheckoutStatus
from billing.payments import refunds
from billing.payments.refunds import RefundRequest
from billing.subscriptions import service as subscriptions
from billing.subscriptions.service import CancellationTime
from devtools.seed import ACTOR, METER
from entitlements.consumption import service as consumption
from entitlements.credits import credit_grants
from entitlements.grants import service as grants
from entitlements.grants.service import FeatureGrantRequest
from entitlements.models import CreditGrant, Feature, Grant
from projects.customers import service as customers
from projects.models import App, Customer, Project
from projects.tenants import apps

Pay = Callable[[Checkout, str], None]
"""Pay a page at Stripe with a card's number, as its buyer does."""

APPS = ("Web", "Mobile", "Back office")
SUCCESS_URL = "http://localhost:3000/thanks"
GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000002"
REASON = "Part of the demo."
CREDITS = 500


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A user who buys ``buys`` one after the other with ``card``, and sends ``messages``."""

    user_id: str
    name: str
    buys: tuple[str, ...] = ()
    card: str = GOOD_CARD
    messages: int = 0
    is_refunded: bool = False
    is_canceled: bool = False
    granted: str = ""
    has_credits: bool = False


USERS = (
    DemoUser("ada", "Ada Lovelace", ("Professional",), messages=42_000),
    DemoUser("grace", "Grace Hopper", ("Professional", "Data export"), messages=99_500),
    DemoUser("alan", "Alan Turing", ("Starter",), messages=10_000),
    DemoUser("edsger", "Edsger Dijkstra", ("Starter",), messages=120, is_canceled=True),
    DemoUser("barbara", "Barbara Liskov", ("Data export",), is_refunded=True),
    DemoUser("donald", "Donald Knuth", ("Free",), messages=7),
    DemoUser("margaret", "Margaret Hamilton", ("Starter",), card=DECLINED_CARD),
    DemoUser("dennis", "Dennis Ritchie", granted="priority_support", has_credits=True),
)


def add_apps(*, project: Project, at: datetime) -> None:
    """Create the apps of the project."""
    names = set(App.objects.for_project(project).values_list("name", flat=True))
    for name in APPS:
        if name not in names:
            apps.create(project=project, name=name, actor=ACTOR, at=at)


def fill(*, project: Project, pay: Pay, at: datetime) -> Iterator[DemoUser]:
    """Let each user do what it does; yields the users that are done."""
    for user in USERS:
        customer = _customer(project, user, at)
        for plan in user.buys:
            _buy(project, user, plan, pay, at)
        if user.messages:
            _send_messages(project, user, at)
        if user.is_refunded:
            _refund(customer, at)
        if user.is_canceled:
            _cancel(customer, at)
        if user.granted:
            _grant(customer, user.granted, at)
        if user.has_credits:
            _give_credits(customer, at)
        yield user


def _customer(project: Project, user: DemoUser, at: datetime) -> Customer:
    row = Customer.objects.for_project(project).filter(user_id=user.user_id).first()
    return row or customers.create(
        project=project,
        user_id=user.user_id,
        email=f"{user.user_id}@{project.slug}.example.com",
        name=user.name,
        at=at,
    )


def _buy(project: Project, user: DemoUser, plan: str, pay: Pay, at: datetime) -> None:
    """Open a page and pay it. A page that was declined stays open."""
    pages = Checkout.objects.for_project(project).filter(
        customer__user_id=user.user_id, lines__price__product__name=plan
    )
    is_declined = user.card == DECLINED_CARD
    if pages.filter(status=CheckoutStatus.COMPLETE).exists() or (is_declined and pages.exists()):
        return
    price = Price.objects.for_project(project).get(product__name=plan)
    page = checkouts.open_page(
        project=project,
        request=CheckoutRequest(
            success_url=SUCCESS_URL, user_id=user.user_id, lines=[(price.pk, 1)]
        ),
        requested_type=None,
        idempotency_key="",
        at=at,
    )
    pay(page, user.card)
    checkouts.read_again(checkout=page, at=at)


def _send_messages(project: Project, user: DemoUser, at: datetime) -> None:
    consumption.consume(
        project=project,
        user_id=user.user_id,
        feature=METER,
        amount=user.messages,
        key=f"seed-{user.user_id}",
        at=at,
    )


def _refund(customer: Customer, at: datetime) -> None:
    payments = Payment.objects.for_project(customer.project).filter(customer=customer)
    if not Refund.objects.for_project(customer.project).filter(payment__in=payments).exists():
        refunds.create(
            payment=payments.get(),
            request=RefundRequest(reason="requested_by_customer"),
            idempotency_key=f"seed-{customer.pk}",
            actor=ACTOR,
            note=REASON,
            at=at,
        )


def _cancel(customer: Customer, at: datetime) -> None:
    """Cancel for the end of the period: the access stays until then."""
    subscription = Subscription.objects.for_project(customer.project).get(customer=customer)
    if subscription.cancel_at is None:
        subscriptions.cancel(
            subscription=subscription,
            when=CancellationTime.PERIOD_END,
            actor=ACTOR,
            reason=REASON,
            at=at,
        )


def _grant(customer: Customer, code: str, at: datetime) -> None:
    if not Grant.objects.for_project(customer.project).filter(customer=customer).exists():
        feature = Feature.objects.for_project(customer.project).get(code=code)
        request = FeatureGrantRequest(features=[(feature, True)], reason=REASON)
        grants.grant(customer=customer, request=request, actor=ACTOR, at=at)


def _give_credits(customer: Customer, at: datetime) -> None:
    if not CreditGrant.objects.for_project(customer.project).filter(customer=customer).exists():
        credit_grants.give_by_hand(
            project=customer.project,
            user_id=customer.user_id,
            amount=CREDITS,
            reason=REASON,
            actor=ACTOR,
            at=at,
        )
