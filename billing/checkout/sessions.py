"""Create the checkout session of a checkout row at Stripe, close it, read it again.

All parameters of the session are stored on our row, so any process can finish an interrupted
request.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from billing.access.selectors import purchased_rows
from billing.accounts.selectors import stripe_customers
from billing.checkout.checkout_requests import CLOCK_MARGIN, LONGEST_OPEN, REQUEST_MARGIN
from billing.checkout.selectors import checkouts
from billing.errors import CheckoutNotOpen, CheckoutNotReady
from billing.models import Checkout, CheckoutLine, StripeCustomer
from billing.models.checkout import CheckoutStatus
from billing.models.coupon import Duration
from billing.models.sync_object import ObjectKind
from billing.outbound import intents
from billing.stripe import checkouts as stripe_checkouts
from billing.stripe import invoices, requests
from billing.stripe.errors import (
    SHORTEST_WAIT,
    StripeCredentialsRefused,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.fields import Fields
from billing.stripe.snapshots import StripeSnapshot
from billing.sync import service as sync
from common.queue import enqueue

CLOSE_REQUEST = "close"
"""Name of the request that closes a page: all attempts to close it are one request to Stripe."""
RESULTS = ("subscription_stripe_id", "invoice_stripe_id", "payment_stripe_id")
"""Columns of a checkout that name the objects which its page has created."""


def create(*, checkout: Checkout, at: datetime) -> None:
    """Open the page of this row at Stripe. Several calls open the same page.

    Raises StripeUnavailable, and StripeRefused if there will be no page.
    """
    lines = purchased_rows.find_lines([checkout.pk])
    buyer = _get_stripe_customer(checkout)
    try:
        intents.create_object(
            checkout,
            operation="checkout_session.create",
            params=stripe_checkouts.params(_build_session_order(checkout, lines, buyer)),
            values=_values_of_session,
            at=at,
        )
    except StripeObjectMissing as missing:
        objects = [(ObjectKind.CUSTOMER, buyer.stripe_id)]
        objects += [(ObjectKind.PRICE, line.price.stripe_id) for line in lines]
        for kind, stripe_id in objects:
            sync.request_sync(
                account_id=checkout.account_id,
                kind=kind,
                stripe_id=stripe_id or "",
                project_id=checkout.project_id,
            )
        enqueue("billing.sync")
        raise StripeUnavailable(
            "Stripe no longer has the customer or a price. Tollgate reads them again: send the "
            "same request in a few seconds.",
            retry_after=SHORTEST_WAIT,
        ) from missing


def close(*, checkout: Checkout, at: datetime) -> Checkout:
    """Close the page, so that it can no longer be paid.

    Raises CheckoutNotReady before Stripe has opened it, and CheckoutNotOpen after it has ended; our
    row then has its final status.
    """
    if not checkout.stripe_id:
        raise CheckoutNotReady("Send the request that opens the page again.")
    if checkout.status not in (CheckoutStatus.OPEN, CheckoutStatus.OPENING):
        raise CheckoutNotOpen(f"The checkout is {checkout.status}.")
    try:
        intents.change_object(
            project_id=checkout.project_id,
            account=checkout.account,
            operation="checkout_session.expire",
            subject=checkout.pk,
            target=checkout.stripe_id,
            params={},
            request=CLOSE_REQUEST,
            at=at,
        )
    except (StripeRefused, StripeObjectMissing) as refusal:
        current = read_again(checkout=checkout, at=at)
        if current.status == CheckoutStatus.OPEN:
            raise
        raise CheckoutNotOpen(f"The checkout is {current.status}.") from refusal
    return read_again(checkout=checkout, at=at)


def ensure_closed(*, checkout: Checkout, at: datetime) -> None:
    """Close the page unless it has ended; a completed page is read again, with its payment."""
    try:
        if not checkout.stripe_id:
            create(checkout=checkout, at=at)
    except StripeCredentialsRefused:
        raise
    except StripeRefused:
        return  # there will be no such page
    if checkout.status == CheckoutStatus.COMPLETE:
        read_again(checkout=checkout, at=at)
        return
    with suppress(CheckoutNotOpen):
        close(checkout=checkout, at=at)


def read_again(*, checkout: Checkout, at: datetime) -> Checkout:
    """Read the session from Stripe, then its subscription, its invoice and their payments.

    Uses the same path as webhooks, so either may come first. Raises StripeUnavailable, and
    CheckoutNotReady before Stripe has opened the page.
    """
    if not checkout.stripe_id:
        raise CheckoutNotReady("Send the request that opens the page again.")
    account = checkout.account
    sync.now(account=account, kind=ObjectKind.CHECKOUT_SESSION, stripe_id=checkout.stripe_id, at=at)
    checkout.refresh_from_db(fields=RESULTS)
    _read_results(checkout, at)
    for stripe_id in checkouts.find_payment_stripe_ids(checkout):
        sync.now(account=account, kind=ObjectKind.PAYMENT_INTENT, stripe_id=stripe_id, at=at)
    return checkouts.get(project=checkout.project, checkout_id=checkout.pk)


def _read_results(checkout: Checkout, at: datetime) -> None:
    """Read the page's subscription and invoice; both with one request, if there are both."""
    account, invoice_id = checkout.account, checkout.invoice_stripe_id
    subscription = (ObjectKind.SUBSCRIPTION, checkout.subscription_stripe_id)
    invoice = (ObjectKind.INVOICE, invoice_id)

    def read(client: Any) -> list[StripeSnapshot | None]:
        snapshot, billed = invoices.retrieve_with_subscription(client, str(invoice_id))
        is_of_page = billed is not None and billed.stripe_id == checkout.subscription_stripe_id
        return [billed if is_of_page else None, snapshot]

    if all(stripe_id for _, stripe_id in (subscription, invoice)):
        sync.now_together(
            account=account,
            objects=[subscription, invoice],
            kind=ObjectKind.INVOICE,
            read=read,
            at=at,
        )
        return
    for kind, stripe_id in (subscription, invoice):
        if stripe_id:
            sync.now(account=account, kind=kind, stripe_id=stripe_id, at=at)


def _build_session_order(
    row: Checkout, lines: Sequence[CheckoutLine], buyer: StripeCustomer
) -> stripe_checkouts.Order:
    return stripe_checkouts.Order(
        our_id=row.pk,
        customer_stripe_id=buyer.stripe_id or "",
        is_subscription=any(line.price.is_recurring for line in lines),
        lines=[
            (line.price.stripe_id or "", None if line.price.is_metered else line.quantity)
            for line in lines
        ],
        success_url=row.success_url,
        cancel_url=row.cancel_url,
        expires_at=_compute_expires_at(row),
        metadata=row.metadata,
        trial_period_days=row.trial_period_days,
        trial_end_behavior=row.trial_end_behavior,
        asks_for_card=_needs_card(row, lines),
        allow_promotion_codes=row.allow_promotion_codes and not row.account.is_shared,
        promotion_code=(row.promotion_code.stripe_id or "") if row.promotion_code else "",
        coupon=(row.coupon.stripe_id or "") if row.coupon else "",
        automatic_tax=row.automatic_tax,
        tax_id_collection=row.tax_id_collection,
        save_payment_method=row.save_payment_method,
        workflow_id=row.workflow_id,
    )


def _compute_expires_at(row: Checkout) -> datetime | None:
    """Return when Stripe closes the page, by Stripe's clock; None for Stripe's maximum of 24 hours.

    In test mode that clock may have been moved forward.
    """
    longest = row.created_at + LONGEST_OPEN - CLOCK_MARGIN - REQUEST_MARGIN
    if row.expires_at is None or row.expires_at >= longest:
        return None
    return row.expires_at if row.account.livemode else row.expires_at + requests.clock_ahead()


def _needs_card(row: Checkout, lines: Sequence[CheckoutLine]) -> bool:
    """Return whether Stripe collects a card: not for a trial without one, nor if all is free."""
    if row.trial_without_card:
        return False
    coupon = row.promotion_code.coupon if row.promotion_code else row.coupon
    is_free_forever = (
        coupon is not None and coupon.percent_off == 100 and coupon.duration == Duration.FOREVER
    )
    free_product_ids = (
        set(coupon.product_stripe_ids) if coupon is not None and is_free_forever else set()
    )
    is_everything_free = is_free_forever and not free_product_ids
    return any(
        line.price.unit_amount
        for line in lines
        if line.price.is_recurring
        and not (is_everything_free or line.price.product.stripe_id in free_product_ids)
    )


def _get_stripe_customer(row: Checkout) -> StripeCustomer:
    """Return the customer's Stripe customer, which exists before the checkout row is inserted."""
    buyer = stripe_customers.find_latest(
        project_id=row.project_id, account_id=row.account_id, customer_id=row.customer_id
    )
    assert buyer is not None
    return buyer


def _values_of_session(answer: Fields) -> dict[str, Any]:
    session = stripe_checkouts.snapshot(answer)
    return {
        "status": session.status,
        "payment_status": session.payment_status,
        "url": session.url,
        "amount_total": session.amount_total,
        "amount_subtotal": session.amount_subtotal,
        "amount_discount": session.amount_discount,
        "amount_tax": session.amount_tax,
        "expires_at": session.expires_at,
    }
