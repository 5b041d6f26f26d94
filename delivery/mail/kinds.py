"""The kinds of notifications. A new kind is an entry here, a builder of its content, and a template
per language (``templates/mail/<language>/<kind>.txt``)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from delivery.mail import content_access as access
from delivery.mail import content_money as payments
from delivery.mail import content_subscriptions as subscriptions
from delivery.mail.content import Content, EventFacts, NotificationFacts

ContentBuilder = Callable[[NotificationFacts], Content]
EventFilter = Callable[[EventFacts], bool]


class Audience(Enum):
    """Who is written to."""

    CUSTOMER = "the customer whom the event is about"
    PROJECT = "the project's own people, at its contact address"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationKind:
    """``build`` raises Overtaken if the message is no longer true when it is sent.

    ``events`` are the types that cause it; none for a kind that the clock causes. ``is_optional``:
    the person may unsubscribe. ``tells_operators``: the installation's operators get it, too,
    whatever the project has chosen.
    """

    name: str
    label: str
    build: ContentBuilder
    events: tuple[str, ...] = ()
    is_due: EventFilter = lambda facts: True
    audience: Audience = Audience.CUSTOMER
    is_optional: bool = False
    tells_operators: bool = False
    delay: timedelta = timedelta()
    useful_for: timedelta = timedelta(days=3)


KINDS: tuple[NotificationKind, ...] = (
    NotificationKind(
        name="receipt",
        label="Receipt of an invoice or payment",
        events=("invoice.paid",),
        is_due=payments.has_paid_amount,
        build=payments.receipt_of_invoice,
        useful_for=timedelta(days=14),
    ),
    NotificationKind(
        name="payment_receipt",
        label="Receipt of a payment without an invoice",
        events=("payment.paid",),
        is_due=payments.is_sale_without_invoice,
        build=payments.receipt_of_payment,
        delay=timedelta(minutes=2),
        useful_for=timedelta(days=14),
    ),
    NotificationKind(
        name="payment_failed",
        label="A payment failed, with the link that fixes it",
        events=("invoice.payment_failed",),
        build=payments.failed_invoice,
    ),
    NotificationKind(
        name="checkout_payment_failed",
        label="A payment on a hosted page failed, with the page's link",
        events=("payment.failed",),
        is_due=payments.is_of_checkout,
        build=payments.failed_checkout,
        delay=timedelta(minutes=10),
        useful_for=timedelta(days=1),
    ),
    NotificationKind(
        name="payment_expired",
        label="A payment expired or was canceled",
        events=("payment.expired", "payment.canceled"),
        is_due=payments.is_sale_without_invoice,
        build=payments.expired_payment,
    ),
    NotificationKind(
        name="refund",
        label="A refund",
        events=("payment.refunded",),
        build=payments.refund,
        useful_for=timedelta(days=14),
    ),
    NotificationKind(
        name="trial_ending",
        label="A trial ends soon",
        events=("subscription.trial_ending",),
        build=subscriptions.ending_trial,
    ),
    NotificationKind(
        name="renewal_coming",
        label="A subscription renews soon",
        build=subscriptions.coming_renewal,
        is_optional=True,
    ),
    NotificationKind(
        name="subscription_canceled",
        label="A subscription has ended",
        events=("subscription.canceled",),
        build=subscriptions.canceled_subscription,
    ),
    NotificationKind(
        name="credits_low",
        label="Credits are low",
        events=("credits.low",),
        build=access.low_credits,
        is_optional=True,
    ),
    NotificationKind(
        name="limit_reached",
        label="A limit is used up",
        events=("usage.limit_reached",),
        build=access.reached_limit,
        is_optional=True,
    ),
    NotificationKind(
        name="endpoint_disabled",
        label="A webhook endpoint was disabled",
        events=("webhook_endpoint.disabled",),
        build=access.disabled_endpoint,
        audience=Audience.PROJECT,
        tells_operators=True,
    ),
    NotificationKind(
        name="key_expiring",
        label="An API key expires soon",
        build=access.expiring_key,
        audience=Audience.PROJECT,
    ),
)

BY_NAME = {kind.name: kind for kind in KINDS}
NAMES = tuple(BY_NAME)


def of_event(event_type: str) -> list[NotificationKind]:
    """The kinds that an event of this type causes."""
    return [kind for kind in KINDS if event_type in kind.events]
