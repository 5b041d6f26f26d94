"""A price that is mirrored after what names it."""

import pytest
from django.utils import timezone

from billing.models import (
    Invoice,
    InvoiceLine,
    Price,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SyncObject,
)
from billing.stripe.client import client_for
from billing.sync import apply, kinds
from billing.sync import service as sync
from sandbox.deliveries import DeliveryMode
from tests.billing import outbox_events
from tests.billing.catalog.mirrored import is_allowed, read
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop


def test_a_subscription_is_mapped_again_when_its_price_arrives_late(
    shop: Shop, alice: StripeCustomer, monthly: Price, stripe: SandboxStripe
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    price = monthly.stripe_id
    Price.objects.for_project(shop.project).update(stripe_id=None)
    stripe.deliver(DeliveryMode(drop=1.0))
    assert read(shop.account, "subscription", stripe_id) == "applied"
    item = Subscription.objects.for_project(shop.project).get().items.get()
    assert item.price is None
    assert read(shop.account, "price", price) == "applied"
    sync.drain(at=timezone.now())
    item.refresh_from_db()
    assert item.price_id == monthly.pk
    assert is_allowed(shop, "sso")


@pytest.fixture
def early_invoice(shop: Shop, alice: StripeCustomer, monthly: Price, stripe: SandboxStripe) -> str:
    """Stripe's id of an invoice that was stored while nobody knew the price of its line."""
    stripe_id = shop.subscribe(alice, monthly)
    invoice = str(stripe.v1.subscriptions.retrieve(stripe_id).latest_invoice)
    Price.objects.for_project(shop.project).update(stripe_id=None)
    stripe.deliver(DeliveryMode(drop=1.0))
    assert read(shop.account, "invoice", invoice) == "applied"
    return invoice


def test_an_invoice_is_mapped_again_when_the_price_of_a_line_arrives_late(
    shop: Shop, monthly: Price, early_invoice: str
) -> None:
    row = Invoice.objects.for_project(shop.project).get(stripe_id=early_invoice)
    early = row.lines.get()
    assert (early.price, early.unknown_price_stripe_id) == (None, monthly.stripe_id)
    assert read(shop.account, "price", monthly.stripe_id) == "applied"
    sync.drain(at=timezone.now())
    line = row.lines.get()
    assert (line.price_id, line.unknown_price_stripe_id) == (monthly.pk, "")
    assert outbox_events.types(shop.project, "invoice.")[-1] == "invoice.updated"


def test_a_line_that_was_stored_before_its_column_is_no_drift(
    shop: Shop, early_invoice: str
) -> None:
    InvoiceLine.objects.for_project(shop.project).update(unknown_price_stripe_id="")
    compared = apply.compare(
        account=shop.account,
        kind="invoice",
        stripe_id=early_invoice,
        snapshot=kinds.of("invoice").retrieve(client_for(shop.account), early_invoice),
        at=timezone.now(),
    )
    assert compared is not None
    assert compared.differences == {}


def test_the_invoice_of_another_account_does_not_wait_for_the_price(
    shop: Shop, monthly: Price, own: StripeAccount, stripe: SandboxStripe, early_invoice: str
) -> None:
    product = str(stripe.v1.prices.retrieve(str(monthly.stripe_id)).product)
    assert read(own, "product", product) == "applied"
    assert read(own, "price", monthly.stripe_id) == "applied"
    row = SyncObject.objects.get(account=shop.account, stripe_id=early_invoice)
    assert row.state == "applied"
