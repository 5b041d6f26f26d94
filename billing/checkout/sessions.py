"""The page itself, at Stripe: have it made, close it, read what became of it.

All that Stripe is told stands on our row, so whoever finds a page half made can finish it.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db.models import F

from billing.checkout.checkout_requests import LONGEST, SKEW, SLOWNESS
from billing.checkout.selectors import checkouts
from billing.errors import CheckoutNotOpen, CheckoutNotReady
from billing.models import Checkout, CheckoutLine, StripeCustomer
from billing.models.checkout import CheckoutStatus
from billing.models.coupon import Duration
from billing.models.sync_object import Kind
from billing.outbound import intents
from billing.stripe import checkouts as stripe_checkouts
from billing.stripe import requests
from billing.stripe.errors import (
    SHORTEST_WAIT,
    StripeCredentialsRefused,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.fields import Fields
from billing.sync import service as sync
from common.queue import enqueue

CLOSING = "close"
"""Closing a page is one request, whoever makes it and however often."""


def make(*, checkout: Checkout, at: datetime) -> None:
    """Have Stripe open the page that the row stands for, once, whoever asks.

    Raises StripeUnavailable, and StripeRefused when there will be no page.
    """
    lines = list(checkout.lines.select_related("price__product"))
    buyer = _buyer(checkout)
    try:
        intents.make(
            checkout,
            operation="checkout_session.create",
            params=stripe_checkouts.params(_order(checkout, buyer)),
            values=_opened,
            at=at,
        )
    except StripeObjectMissing as missing:
        named = [(Kind.CUSTOMER, buyer.stripe_id)]
        named += [(Kind.PRICE, line.price.stripe_id) for line in lines]
        for kind, stripe_id in named:
            sync.mark(account_id=checkout.account_id, kind=kind, stripe_id=stripe_id or "")
        enqueue("billing.sync")
        raise StripeUnavailable(
            "Stripe no longer has the customer or a price. Both are being read again: send the "
            "same request in a moment.",
            retry_after=SHORTEST_WAIT,
        ) from missing


def close(*, checkout: Checkout, at: datetime) -> Checkout:
    """Close the page: nobody can pay on it any more. Raises CheckoutNotOpen when that came too
    late, with the checkout as it is now in our tables."""
    if not checkout.stripe_id:
        raise CheckoutNotReady("Send the request that opens it again.")
    if checkout.status not in (CheckoutStatus.OPEN, CheckoutStatus.OPENING):
        raise CheckoutNotOpen(f"It is {checkout.status}.")
    try:
        intents.change(
            project_id=checkout.project_id,
            account=checkout.account,
            operation="checkout_session.expire",
            subject=checkout.pk,
            target=checkout.stripe_id,
            params={},
            request=CLOSING,
            at=at,
        )
    except (StripeRefused, StripeObjectMissing) as refusal:
        found = read_again(checkout=checkout, at=at)
        if found.status == CheckoutStatus.OPEN:
            raise
        raise CheckoutNotOpen(f"It is {found.status}.") from refusal
    return read_again(checkout=checkout, at=at)


def end(*, checkout: Checkout, at: datetime) -> None:
    """Nobody can pay on the page any more, or we know of whoever has."""
    try:
        if not checkout.stripe_id:
            make(checkout=checkout, at=at)
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
    """What has become of it: the session, then what it names and what pays for that.

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
        Kind.INVOICE: checkout.invoice_stripe_id,
    }
    for kind, stripe_id in made.items():
        if stripe_id:
            sync.now(account=account, kind=kind, stripe_id=stripe_id, at=at)
    for stripe_id in checkouts.payers(checkout):
        sync.now(account=account, kind=Kind.PAYMENT_INTENT, stripe_id=stripe_id, at=at)
    return checkouts.get(project=checkout.project, checkout_id=checkout.pk)


def _order(row: Checkout, buyer: StripeCustomer) -> stripe_checkouts.Order:
    lines = list(row.lines.select_related("price__product"))
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
        expires_at=_expires_at(row),
        metadata=row.metadata,
        trial_period_days=row.trial_period_days,
        trial_end_behavior=row.trial_end_behavior,
        asks_for_card=_asks_for_card(row, lines),
        allow_promotion_codes=row.allow_promotion_codes and not row.account.is_shared,
        promotion_code=(row.promotion_code.stripe_id or "") if row.promotion_code else "",
        coupon=(row.coupon.stripe_id or "") if row.coupon else "",
        automatic_tax=row.automatic_tax,
        tax_id_collection=row.tax_id_collection,
        save_payment_method=row.save_payment_method,
    )


def _expires_at(row: Checkout) -> datetime | None:
    """When Stripe has to close the page, by Stripe's clock; None for the longest that it may be
    open. In test mode that clock may have been moved forward."""
    longest = row.created_at + LONGEST - SKEW - SLOWNESS
    if row.expires_at is None or row.expires_at >= longest:
        return None
    return row.expires_at if row.account.livemode else row.expires_at + requests.clock_ahead()


def _asks_for_card(row: Checkout, lines: Sequence[CheckoutLine]) -> bool:
    """A trial may begin without a card; what will never cost anything needs none."""
    if row.trial_without_card:
        return False
    coupon = row.promotion_code.coupon if row.promotion_code else row.coupon
    is_given = (
        coupon is not None and coupon.percent_off == 100 and coupon.duration == Duration.FOREVER
    )
    given = set(coupon.product_stripe_ids) if coupon is not None and is_given else set()
    is_all = is_given and not given
    return any(
        line.price.unit_amount
        for line in lines
        if line.price.is_recurring and not (is_all or line.price.product.stripe_id in given)
    )


def _buyer(row: Checkout) -> StripeCustomer:
    """As whom Stripe knows the customer: whoever began the row has seen to that."""
    buyers = StripeCustomer.objects.for_project(row.project_id).filter(
        account_id=row.account_id, customer_id=row.customer_id, stripe_id__isnull=False
    )
    return buyers.order_by(F("deleted_at").asc(nulls_first=True), "-pk")[0]


def _opened(made: Fields) -> dict[str, Any]:
    page = stripe_checkouts.snapshot(made)
    return {
        "status": page.status,
        "payment_status": page.payment_status,
        "url": page.url,
        "amount_total": page.amount_total,
        "amount_subtotal": page.amount_subtotal,
        "amount_discount": page.amount_discount,
        "amount_tax": page.amount_tax,
        "expires_at": page.expires_at,
    }
