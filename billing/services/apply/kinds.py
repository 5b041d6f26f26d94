"""The table of what we mirror: how Stripe is asked, and how the answer is mapped to our rows.

In the order in which reconciliation goes through them: owners before what they own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from billing.models import Invoice
from billing.models.invoice import DRAFT
from billing.models.mirror import Mirror
from billing.models.sync_object import Kind
from billing.services.apply import (
    checkouts,
    coupons,
    customers,
    invoices,
    payments,
    prices,
    products,
    promotion_codes,
    subscriptions,
)
from billing.services.apply.mapper import Mapper
from billing.stripe import checkouts as stripe_checkouts
from billing.stripe import coupons as stripe_coupons
from billing.stripe import customers as stripe_customers
from billing.stripe import invoices as stripe_invoices
from billing.stripe import payments as stripe_payments
from billing.stripe import prices as stripe_prices
from billing.stripe import products as stripe_products
from billing.stripe import promotion_codes as stripe_promotion_codes
from billing.stripe import subscriptions as stripe_subscriptions
from billing.stripe.snapshots import Snapshot, UnreadableObject


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One kind of object at Stripe and its place here."""

    kind: Kind
    retrieve: Callable[[Any, str], Snapshot]
    """From the account's client and an id; raises StripeObjectMissing."""
    iterate: Callable[..., Iterator[Snapshot | UnreadableObject]]
    """From the client: every object, newest first, or those ``after`` one. An object that cannot be
    read comes as an UnreadableObject."""
    mapper: Mapper[Any, Any]
    can_be_deleted: Callable[[Any], bool]
    """Whether Stripe may answer 404 for the object of this row because somebody deleted it. Stripe
    keeps all others for ever; a deleted customer answers ``deleted`` and no 404."""


def _never(row: Mirror) -> bool:
    return False


def _always(row: Mirror) -> bool:
    return True


def _while_draft(row: Invoice) -> bool:
    return row.status == DRAFT


KINDS: dict[str, Mirrored] = {
    each.kind.value: each
    for each in (
        Mirrored(
            Kind.CUSTOMER,
            stripe_customers.retrieve,
            stripe_customers.iterate,
            customers.MAPPER,
            _never,
        ),
        Mirrored(
            Kind.PRODUCT,
            stripe_products.retrieve,
            stripe_products.iterate,
            products.MAPPER,
            _always,
        ),
        Mirrored(
            Kind.PRICE,
            stripe_prices.retrieve,
            stripe_prices.iterate,
            prices.MAPPER,
            _always,
        ),
        Mirrored(
            Kind.COUPON,
            stripe_coupons.retrieve,
            stripe_coupons.iterate,
            coupons.MAPPER,
            _always,
        ),
        Mirrored(
            Kind.PROMOTION_CODE,
            stripe_promotion_codes.retrieve,
            stripe_promotion_codes.iterate,
            promotion_codes.MAPPER,
            _never,
        ),
        Mirrored(
            Kind.SUBSCRIPTION,
            stripe_subscriptions.retrieve,
            stripe_subscriptions.iterate,
            subscriptions.MAPPER,
            _never,
        ),
        Mirrored(
            Kind.INVOICE,
            stripe_invoices.retrieve,
            stripe_invoices.iterate,
            invoices.MAPPER,
            _while_draft,
        ),
        Mirrored(
            Kind.PAYMENT_INTENT,
            stripe_payments.retrieve,
            stripe_payments.iterate,
            payments.MAPPER,
            _never,
        ),
        Mirrored(
            Kind.CHECKOUT_SESSION,
            stripe_checkouts.retrieve,
            stripe_checkouts.iterate,
            checkouts.MAPPER,
            _never,
        ),
    )
}


def of(kind: str) -> Mirrored:
    return KINDS[kind]
