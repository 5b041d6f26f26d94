"""Products, prices, customers and invoices are mirrored, and foreign ones are not."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from billing.catalog import product_features
from billing.models import (
    Invoice,
    Price,
    Product,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SyncObject,
)
from billing.sync import service as sync
from entitlements.models import Feature
from projects.models import Project
from sandbox.deliveries import DeliveryMode
from tests.billing import outbox_events
from tests.billing.catalog.mirrored import is_allowed, read
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

Drain = Callable[[], None]


def test_a_change_of_a_product_at_stripe_is_mirrored(shop: Shop, drain: Drain) -> None:
    product = shop.product("Pro")
    shop.stripe.v1.products.update(
        str(product.stripe_id),
        {"name": "Pro 2", "description": "More", "active": False, "metadata": {"a": "b"}},
    )
    drain()
    product.refresh_from_db()
    assert (product.name, product.description, product.active) == ("Pro 2", "More", False)
    assert product.metadata == {"a": "b"}
    assert product.synced_at is not None


def test_a_deleted_product_is_not_for_sale(shop: Shop, drain: Drain) -> None:
    product = shop.product("Pro")
    shop.stripe.v1.products.delete(str(product.stripe_id))
    drain()
    product.refresh_from_db()
    assert not product.active
    assert SyncObject.objects.get(stripe_id=product.stripe_id).state == "applied"


def test_objects_of_nobody_in_the_shared_account_are_foreign(shop: Shop) -> None:
    product = shop.stripe.v1.products.create({"name": "Not ours"})
    price = shop.stripe.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 5}
    )
    assert read(shop.account, "product", product.id) == "foreign"
    assert read(shop.account, "price", price.id) == "foreign"
    assert not Product.objects.for_project(shop.project).exists()


def test_a_project_s_own_account_is_mirrored_whole(
    own: StripeAccount, stripe: SandboxStripe, other_project: Project
) -> None:
    product = stripe.v1.products.create({"name": "Made in the dashboard"})
    price = stripe.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 5,
            "recurring": {"interval": "day"},
        }
    )
    assert read(own, "price", price.id) == "waiting"  # its product has to come first
    waiting = SyncObject.objects.get(stripe_id=price.id)
    assert waiting.last_error.startswith("DependencyMissing: Waits for product")
    SyncObject.objects.update(next_try_at=timezone.now())
    sync.drain(at=timezone.now())
    row = Price.objects.for_project(other_project).get()
    assert (row.stripe_id, row.unit_amount, row.interval) == (price.id, 5, "day")
    assert row.product.stripe_id == product.id


def test_a_price_in_parts_of_a_cent_cannot_be_sold(
    own: StripeAccount, stripe: SandboxStripe, other_project: Project
) -> None:
    product = stripe.v1.products.create({"name": "API calls"})
    price = stripe.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount_decimal": "0.5"}  # type: ignore[typeddict-item]
    )
    assert read(own, "price", price.id) == "foreign"


def test_a_row_without_a_stripe_id_takes_the_object_that_names_it(shop: Shop, drain: Drain) -> None:
    product = shop.product("Pro")
    stripe_id = product.stripe_id
    Product.objects.for_project(shop.project).update(stripe_id=None)
    drain()
    product.refresh_from_db()
    assert product.stripe_id == stripe_id


def test_a_row_with_a_stripe_id_takes_no_second_object(shop: Shop) -> None:
    product = shop.product("Pro")
    twin = shop.stripe.v1.products.create({"name": "Twin", "metadata": {"tollgate_id": product.pk}})
    assert read(shop.account, "product", twin.id) == "foreign"
    product.refresh_from_db()
    assert product.name == "Pro"


def test_metadata_does_not_reach_into_another_account(
    own: StripeAccount, shop: Shop, stripe: SandboxStripe
) -> None:
    """A tenant names a waiting row of the shared account from an account of its own."""
    victim = Product.objects.create(project=shop.project, account=shop.account, name="Victim")
    forged = stripe.v1.products.create({"name": "Forged", "metadata": {"tollgate_id": victim.pk}})
    assert read(own, "product", forged.id) == "applied"
    victim.refresh_from_db()
    assert (victim.stripe_id, victim.name) == (None, "Victim")
    assert Product.objects.for_project(own.project_id or "").get().name == "Forged"


@pytest.mark.parametrize(
    "claim", ["", "prod_", "prod_\0", "cus_1", "' OR 1=1", "é" * 30, "1" * 400]
)
def test_malformed_ids_in_metadata_are_foreign(shop: Shop, claim: str) -> None:
    product = shop.stripe.v1.products.create({"name": "Odd"})
    with shop.stripe.world.transaction() as tx:
        tx.path_object("product", product.id)["metadata"] = {"tollgate_id": claim}
    assert read(shop.account, "product", product.id) == "foreign"


def test_holders_get_the_features_that_a_product_gains(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, sso: Feature
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    assert is_allowed(shop, "seats")
    product_features.replace(
        product=monthly.product, features=[(sso, True)], actor="test", at=timezone.now()
    )
    assert is_allowed(shop, "seats")
    drain()
    assert not is_allowed(shop, "seats")
    assert is_allowed(shop, "sso")


def test_a_customers_stripe_data_changes_and_the_tenants_data_stays(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    shop.stripe.v1.customers.update(
        str(alice.stripe_id), {"name": "Al", "email": "al@example.org", "balance": -500}
    )
    drain()
    alice.refresh_from_db()
    assert (alice.name, alice.email, alice.balance) == ("Al", "al@example.org", -500)
    assert alice.customer.email == "alice@example.com"
    assert outbox_events.types(shop.project) == []


def test_an_invoice(shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain) -> None:
    shop.subscribe(alice, monthly)
    drain()
    row = Invoice.objects.for_project(shop.project).get()
    assert (row.status, row.total, row.amount_paid) == ("paid", 2900, 2900)
    assert row.subscription == Subscription.objects.for_project(shop.project).get()
    line = row.lines.get()
    assert (line.price_id, line.amount, line.is_proration) == (monthly.pk, 2900, False)
    assert outbox_events.types(shop.project, "invoice.") == ["invoice.finalized", "invoice.paid"]


@pytest.mark.parametrize("kinds", [("invoice", "subscription"), ("subscription", "invoice")])
def test_an_invoice_and_its_subscription_in_any_order(
    shop: Shop, alice: StripeCustomer, monthly: Price, stripe: SandboxStripe, kinds: tuple[str, ...]
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    invoice = str(stripe.v1.subscriptions.retrieve(stripe_id).latest_invoice)
    stripe.deliver(DeliveryMode(drop=1.0))
    for kind in kinds:
        assert read(shop.account, kind, {"invoice": invoice, "subscription": stripe_id}[kind])
    row = Invoice.objects.for_project(shop.project).get()
    assert row.subscription == Subscription.objects.for_project(shop.project).get()


def test_a_failed_invoice_records_an_event(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.stripe.decline_payments(str(alice.stripe_id))
    shop.subscribe(alice, monthly, payment_behavior="allow_incomplete")
    drain()
    assert Invoice.objects.for_project(shop.project).get().status == "open"
    assert outbox_events.types(shop.project, "invoice.") == [
        "invoice.finalized",
        "invoice.payment_failed",
    ]


def test_a_deleted_draft(shop: Shop, alice: StripeCustomer, drain: Drain) -> None:
    invoice = shop.stripe.v1.invoices.create({"customer": str(alice.stripe_id)})
    drain()
    assert Invoice.objects.for_project(shop.project).get().status == "draft"
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("invoice", str(invoice.id)))
    assert read(shop.account, "invoice", invoice.id) == "applied"
    assert Invoice.objects.for_project(shop.project).get().status == "deleted"
