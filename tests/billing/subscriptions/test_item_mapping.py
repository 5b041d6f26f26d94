"""The items of a subscription are mirrored as a set and give what their prices entitle to."""

from billing.access import purchase_facts
from billing.models import Invoice, Price, StripeCustomer, Subscription
from entitlements.models import Feature
from tests.billing import outbox_events
from tests.billing.subscriptions.mapped_subscriptions import Drain, check, only_subscription
from tests.factories.entitlements import FeatureFactory
from tests.factories.projects import ProjectFactory
from tests.sandbox_stripe import Clock
from tests.shop import Shop


def test_a_quantity_does_not_multiply_a_limit(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    shop.subscribe(alice, monthly, items=[{"price": monthly.stripe_id, "quantity": 10}])
    drain()
    assert only_subscription(shop).items.get().quantity == 10
    assert check(shop, clock, "seats").limit == 5


def test_a_quantity_of_zero_gives_nothing(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    """The dashboard can set it: the item stays, and is not billed."""
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    assert check(shop, clock).allowed
    item = shop.stripe.v1.subscriptions.retrieve(stripe_id)["items"].data[0].id

    shop.stripe.v1.subscriptions.update(stripe_id, {"items": [{"id": item, "quantity": 0}]})
    drain()

    assert only_subscription(shop).items.get().quantity == 0
    assert not check(shop, clock).allowed
    shop.stripe.v1.subscriptions.update(stripe_id, {"items": [{"id": item, "quantity": 2}]})
    drain()
    assert check(shop, clock).allowed


def test_a_neighbours_price_gives_nothing_here(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock
) -> None:
    """Two projects share the account; at Stripe anybody may put any price on a subscription."""
    neighbour = Shop(shop.stripe, ProjectFactory.create(), shop.account)
    sso = FeatureFactory.create(project=neighbour.project, code="sso")
    neighbours_price = neighbour.price(neighbour.product("Theirs", sso))

    shop.subscribe(alice, neighbours_price)
    drain()

    item = only_subscription(shop).items.get()
    assert (item.price_id, item.price_stripe_id) == (None, neighbours_price.stripe_id)
    assert not check(shop, clock).allowed
    assert not Subscription.objects.for_project(neighbour.project).exists()


def test_a_price_that_is_not_ours_gives_nothing(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    price = shop.stripe.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 100,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Made in the dashboard"},
        }
    )
    shop.stripe.v1.subscriptions.create(
        {"customer": str(alice.stripe_id), "items": [{"price": price.id}]}
    )
    drain()
    item = only_subscription(shop).items.get()
    assert (item.price_id, item.price_stripe_id) == (None, price.id)
    assert not Price.objects.for_project(shop.project).exists()
    assert outbox_events.types(shop.project, "entitlements.") == []


def test_items_are_an_exact_set(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, clock: Clock, sso: Feature
) -> None:
    other = shop.price(shop.product("Basic"), amount=900)
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    item = shop.stripe.v1.subscriptions.retrieve(stripe_id)["items"].data[0]
    shop.stripe.v1.subscriptions.update(
        stripe_id, {"items": [{"id": item.id, "price": str(other.stripe_id)}]}
    )
    drain()
    assert [each.price_id for each in only_subscription(shop).items.all()] == [other.pk]
    assert not check(shop, clock).allowed


def test_a_free_first_invoice_entitles(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    """Voided before any attempt; one that a bank sent back after an attempt gives nothing."""
    shop.subscribe(alice, monthly)
    drain()
    row = only_subscription(shop)
    invoices = Invoice.objects.for_project(shop.project)
    invoices.update(status="void", attempt_count=0)
    assert {each.value for each in purchase_facts.of_subscription(row)} == {True, 5}
    invoices.update(attempt_count=1)
    assert purchase_facts.of_subscription(row) == []
