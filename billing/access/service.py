"""Update a customer's facts and credits when a mirror changes, in the same transaction.

A subscription gives access while it is trialing, active or within the grace period of a failed
payment; a purchase gives access once it is paid. Refunds and open disputes reduce the access as
each product's policies say (``docs/refunds.md``). A quantity does not multiply a limit. The caller
holds the customer's lock.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from billing.access import credits, line_events, purchase_facts, renewals
from billing.access.line_events import LineChange
from billing.models import (
    Checkout,
    CheckoutLine,
    Invoice,
    Payment,
    Subscription,
    SubscriptionItem,
)
from billing.sync import follow_ups
from common.prepared_queries import Parameter, PreparedQuery
from entitlements.facts import service as facts
from entitlements.models.fact import SourceType
from projects.customers import selectors as customers
from projects.models import Customer

_INVOICES = PreparedQuery(
    lambda: (
        Invoice.objects.for_project(Parameter("project_id"))
        .filter(payments__payment_id=Parameter("payment_id"))
        .distinct()
    )
)
_CHECKOUTS = PreparedQuery(
    lambda: Checkout.objects.for_project(Parameter("project_id")).filter(
        account_id=Parameter("account_id"),
        customer_id=Parameter("customer_id"),
        invoice_stripe_id=Parameter("stripe_id"),
    )
)
_SUBSCRIPTIONS = PreparedQuery(
    lambda: Subscription.objects.for_project(Parameter("project_id")).filter(
        account_id=Parameter("account_id"),
        customer_id=Parameter("customer_id"),
        stripe_id=Parameter("stripe_id"),
    )
)


def follow_subscription(
    *,
    subscription: Subscription,
    customer: Customer,
    at: datetime,
    items: Sequence[SubscriptionItem] | None = None,
) -> None:
    """:func:`recompute_subscription`, once for the objects that are stored together."""
    follow_ups.run_once(
        ("subscription", subscription.pk),
        partial(
            recompute_subscription, subscription=subscription, customer=customer, at=at, items=items
        ),
    )


def follow_checkout(*, checkout: Checkout, customer: Customer, at: datetime) -> None:
    """:func:`recompute_checkout`, once for the objects that are stored together."""
    follow_ups.run_once(
        ("checkout", checkout.pk),
        partial(recompute_checkout, checkout=checkout, customer=customer, at=at),
    )


def recompute_subscription(
    *,
    subscription: Subscription,
    customer: Customer,
    at: datetime,
    items: Sequence[SubscriptionItem] | None = None,
) -> bool:
    """Update the facts and credits of a subscription; returns whether a fact changed.

    Also records ``subscription.renewed`` once a renewal is paid. ``items`` are those that are
    stored, with prices and products, if they have been read already.
    """
    if items is None:
        items = purchase_facts.find_items([subscription])[subscription.pk]
    credits.follow_subscription(subscription=subscription, customer=customer, at=at, items=items)
    renewals.record_if_paid(subscription=subscription, items=items, customer=customer, at=at)
    return facts.replace(
        customer=customer,
        source_type=SourceType.SUBSCRIPTION,
        source_id=subscription.pk,
        drafts=purchase_facts.of_subscriptions([subscription], items={subscription.pk: items})[
            subscription.pk
        ],
        at=at,
    )


def recompute_checkout(*, checkout: Checkout, customer: Customer, at: datetime) -> bool:
    """Update the facts and credits of the one-time lines of a checkout; returns whether a fact
    changed.

    Also stores on each line when its access was given, and since when it is taken back.
    """
    line_access = purchase_facts.find_line_access(checkout)
    credits.follow_checkout(checkout=checkout, line_access=line_access, customer=customer, at=at)
    record_line_access(line_access, customer=customer, at=at)
    return facts.replace(
        customer=customer,
        source_type=SourceType.CHECKOUT,
        source_id=checkout.pk,
        drafts=purchase_facts.of_checkout(checkout, line_access),
        at=at,
    )


def follow_invoice(
    *, invoice: Invoice, customer: Customer, at: datetime, followed_checkout_id: str | None = None
) -> None:
    """Update the purchases that an invoice is for: its subscription and its checkout.

    ``followed_checkout_id`` names a checkout that the caller has updated already.
    """
    for checkout in checkouts_of(invoice):
        if checkout.pk != followed_checkout_id:
            follow_checkout(checkout=checkout, customer=customer, at=at)
    for subscription in subscriptions_of(invoice):
        follow_subscription(subscription=subscription, customer=customer, at=at)


def follow_payment(*, payment: Payment, customer: Customer, at: datetime) -> None:
    """Update the purchases that a payment is for: its checkout, and those of its invoices."""
    if payment.checkout is not None:
        follow_checkout(checkout=payment.checkout, customer=customer, at=at)
    for invoice in invoices_of(payment):
        follow_invoice(
            invoice=invoice,
            customer=customer,
            at=at,
            followed_checkout_id=payment.checkout_id,
        )


def invoices_of(payment: Payment) -> list[Invoice]:
    return _INVOICES.rows(project_id=payment.project_id, payment_id=payment.pk)


def checkouts_of(invoice: Invoice) -> list[Checkout]:
    """The checkout that created the invoice, if one did."""
    return _CHECKOUTS.rows(**_owner_of(invoice), stripe_id=invoice.stripe_id)


def subscriptions_of(invoice: Invoice) -> list[Subscription]:
    if not invoice.subscription_stripe_id:
        return []
    return _SUBSCRIPTIONS.rows(**_owner_of(invoice), stripe_id=invoice.subscription_stripe_id)


def record_line_access(
    line_access: purchase_facts.LineAccess, *, customer: Customer, at: datetime
) -> None:
    """Store on each of these lines when its access was given or taken back, with an event."""
    changes = [
        change
        for line, remaining in line_access
        for change in _change_line(line, is_given=remaining is not None, at=at)
    ]
    if changes:
        customers.raise_version(customer)
        line_events.record(changes, customer=customer, at=at)


def _change_line(line: CheckoutLine, *, is_given: bool, at: datetime) -> Iterator[LineChange]:
    """Save the line if it changes; yield the change."""
    if is_given and line.fulfilled_at is None:
        line.fulfilled_at = at
        change = line_events.fulfilled(line)
    elif is_given and line.revoked_at is not None:
        change = line_events.restored(line, revoked_at=line.revoked_at)
        line.revoked_at = None
    elif not is_given and line.fulfilled_at is not None and line.revoked_at is None:
        line.revoked_at = at
        change = line_events.revoked(line)
    else:
        return
    line.save(update_fields=["fulfilled_at", "revoked_at"])
    yield change


def _owner_of(invoice: Invoice) -> dict[str, str]:
    names = ("project_id", "account_id", "customer_id")
    return {name: getattr(invoice, name) for name in names}
