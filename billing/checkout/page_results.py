"""What follows from the end of a page: its failed payment is recorded, its cart ends or reopens."""

from datetime import datetime

from billing.checkout import carts
from billing.checkout.representation import checkouts as shown
from billing.models import Checkout, Payment
from billing.models.checkout import CheckoutStatus
from billing.models.payment import PaymentStatus
from billing.sync.changes import write_and_record
from billing.sync.plan import RowPlan
from events.catalog import EventType
from projects.models import Customer

PAGE_METHODS = ("", "card", "link")
"""Payment methods that fail while the page is open (the empty one failed before any charge). The
buyer of a complete page has paid by another one since, which our row may not show yet."""


def follow(*, checkout: Checkout, customer: Customer, at: datetime) -> None:
    """Record that the payment of a complete page has failed; complete or reopen the page's cart.

    The caller holds the customer's lock.
    """
    if _has_failed(checkout):
        write_and_record(
            RowPlan(row=checkout, values={"payment_failed_at": at}),
            customer=customer,
            render=shown.checkout,
            event_types=lambda plan, differences: [EventType.CHECKOUT_PAYMENT_FAILED],
            at=at,
        )
    carts.follow_checkout(checkout=checkout, at=at)


def _has_failed(checkout: Checkout) -> bool:
    """Return whether a complete page will not be paid, and this is not recorded yet.

    Stripe's session does not say it: its payment fails at the bank days later, or is canceled
    instead of captured.
    """
    if checkout.status != CheckoutStatus.COMPLETE or checkout.is_fulfilled:
        return False
    if checkout.payment_failed_at is not None:
        return False
    payments = Payment.objects.for_project(checkout.project_id).filter(checkout=checkout)
    failed = payments.filter(status=PaymentStatus.FAILED).exclude(
        payment_method_type__in=PAGE_METHODS
    )
    return (failed | payments.filter(status=PaymentStatus.CANCELED)).exists()
