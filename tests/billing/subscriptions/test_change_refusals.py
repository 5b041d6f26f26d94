"""A subscription change that cannot be made is refused and leaves everything unchanged."""

from typing import Any

from billing.models import StripeIntent
from tests.billing.subscriptions.change_bills import Drain, item_quantities
from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant, order
from tests.billing_fixtures import Clock
from tests.shop import Shop


def test_a_refused_change_leaves_the_subscription_unchanged(
    ada: Subscriber, tenant: Tenant, neighbour: Tenant, pro: Json, plus: Json, drain: Drain
) -> None:
    yearly = tenant.price(tenant.product("Yearly"), interval="year")
    euro = tenant.price(tenant.product("Euro"), currency="eur")
    once = tenant.price(tenant.product("Once"), interval=None)
    archived = tenant.price(tenant.product("Archived"))
    tenant.api.patch(f"/prices/{archived['id']}", {"active": False})
    neighbours_price = neighbour.price()
    other = tenant.price(tenant.product("Other"))
    ada.subscribe(pro)
    ada.subscribe(other)
    drain()
    before, intents = ada.show(pro), StripeIntent.objects.across_projects().count()
    refusals: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({"price": euro["id"]}, (422, "other-currency")),
        ({"price": once["id"]}, (422, "wrong-price-type")),
        ({"price": archived["id"]}, (409, "not-on-sale")),
        ({"price": neighbours_price["id"]}, (422, "invalid")),
        ({"price": other["id"]}, (409, "already-subscribed")),
        ({"addons": [{"price": other["id"]}]}, (409, "already-subscribed")),
        ({"addons": [{"price": yearly["id"]}]}, (422, "wrong-price-type")),
        ({"quantity": 99_999}, (422, "amount-too-large")),
        ({"trial_end": "now"}, (409, "subscription-not-running")),
        ({"trial_end": "2020-01-01T00:00:00Z"}, (422, "invalid")),
        ({"discounts": ["NOBODYS"]}, (422, "invalid")),
        ({"quantity": 2, "proration_date": "2020-01-01T00:00:00Z"}, (422, "invalid")),
        ({"quantity": 2, "when": "renewal", "proration": "none"}, (422, "invalid")),
        ({"undo_scheduled_change": True}, (409, "nothing-scheduled")),
    ]
    malformed: list[dict[str, Any]] = [
        {},
        {"quantity": 0},
        {"quantity": "2"},
        {"when": "later", "quantity": 2},
        {"when": "now"},
        {"proration": "none"},
        {"proration": "some", "quantity": 2},
        {"price": pro["stripe_id"]},
        {"undo_scheduled_change": False},
        {"undo_scheduled_change": True, "quantity": 2},
        {"cancel_at_period_end": True, "quantity": 2},
        {"discounts": [], "promotion_code": "X"},
        {"trial_end": 5},
        {"addons": []},
    ]
    for body, expected in [*refusals, *((body, (422, "invalid")) for body in malformed)]:
        assert ada.refused(pro, **body) == expected, body
        seen = tenant.api.post(ada.path(pro, "preview"), body)
        assert (seen.status_code, seen.json()["code"]) == expected, body
    assert ada.show(pro) == before
    assert StripeIntent.objects.across_projects().count() == intents


def test_an_ended_subscription_is_not_changed(
    ada: Subscriber, pro: Json, shop: Shop, clock: Clock, drain: Drain
) -> None:
    ada.subscribe(pro)
    ada.pause(pro)
    assert ada.refused(pro, quantity=2) == (409, "subscription-not-running")
    ada.resume(pro)
    shop.stripe.decline_payments(str(ada.row.stripe_id))
    clock.advance(days=32)
    drain()
    assert ada.show(pro)["status"] == "past_due"
    assert ada.refused(pro, quantity=2) == (409, "payment-overdue")
    ada.tenant.api.delete(ada.path(pro), query={"when": "now"})
    for body in ({"quantity": 2}, {"undo_scheduled_change": True}):
        assert ada.refused(pro, **body) == (409, "subscription-ended")


def test_a_change_closes_the_open_page_for_the_same_product(
    tenant: Tenant, pro: Json, plus: Json, drain: Drain
) -> None:
    """An open page and a change to the same product: one of them counts, never both."""
    for user_id, body in (("ada", {"price": plus["id"]}), ("bob", {"addons": [_one(plus)]})):
        tenant.sell(pro, user_id)
        page = tenant.open(plus, user_id)
        drain()
        changed = tenant.api.patch(f"/subscriptions/{user_id}/{pro['product']}", body)
        assert changed.status_code == 200, changed.content
        assert tenant.api.get(f"/checkout/{page['id']}").json()["status"] == "expired"
        again = tenant.api.post("/checkout", order(plus, user_id))
        assert (again.status_code, again.json()["code"]) == (409, "already-subscribed")
    tenant.sell(pro, "carol")
    tenant.pay(tenant.open(plus, "carol"))  # and nobody has told us yet
    late = tenant.api.patch(f"/subscriptions/carol/{pro['product']}", {"price": plus["id"]})
    assert (late.status_code, late.json()["code"]) == (409, "already-subscribed")
    assert len(tenant.at_stripe("subscription")) == 4


def test_a_scheduled_product_cannot_be_bought_as_well(
    ada: Subscriber, pro: Json, plus: Json
) -> None:
    before = ada.subscribe(plus)
    assert ada.change(plus, price=pro["id"])["scheduled_change"] is not None
    second = ada.tenant.api.post("/checkout", order(pro, "ada"))
    assert (second.status_code, second.json()["code"]) == (409, "already-subscribed")
    assert second.json()["subscription"] == before["id"]
    assert item_quantities(ada.change(plus, price=pro["id"], when="now")) == [(pro["id"], 1)]


def _one(price: Json) -> Json:
    return {"price": price["id"]}
