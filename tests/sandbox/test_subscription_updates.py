"""Subscriptions and their items are updated and canceled over the API."""

import pytest
import stripe

from tests.sandbox.subscription_calls import create

RENEWS = 1_802_678_400


def test_subscriptions_are_listed_and_filtered(shop):
    customer = shop.customer("pm_card_visa")
    price = shop.price()
    first = create(shop, customer, items=[{"price": price}])
    second = create(shop, customer)
    other = create(shop, shop.customer("pm_card_visa"))
    shop.client.v1.subscriptions.cancel(second.id)

    def ids(**params):
        return [each.id for each in shop.client.v1.subscriptions.list(params).data]

    assert ids() == [other.id, first.id]
    assert ids(status="all") == [other.id, second.id, first.id]
    assert ids(status="canceled") == ids(status="ended") == [second.id]
    assert ids(customer=customer) == [first.id]
    assert ids(price=price) == [first.id]
    assert ids(current_period_end={"lt": RENEWS}) == []
    assert ids(current_period_end={"lte": RENEWS}) == [other.id, first.id]


def test_items_show_their_price_as_it_is_now(shop):
    price = shop.price()
    subscription = create(shop, shop.customer("pm_card_visa"), items=[{"price": price}])
    shop.client.v1.prices.update(price, {"active": False, "metadata": {"tier": "old"}})
    shown = shop.subscription(subscription.id)["items"].data[0].price
    assert (shown.active, shown.metadata.to_dict()) == (False, {"tier": "old"})


def test_metadata_and_payment_method_change(shop):
    customer = shop.customer("pm_card_visa")
    subscription = create(shop, customer, metadata={"a": "1"})
    method = shop.client.v1.payment_methods.attach("pm_card_amex", {"customer": customer})
    shop.news()
    changed = shop.client.v1.subscriptions.update(
        subscription.id, {"metadata": {"b": "2"}, "default_payment_method": method.id}
    )
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    assert changed.default_payment_method == method.id
    (event,) = shop.events()
    assert event["data"]["previous_attributes"] == {
        "default_payment_method": None,
        "metadata": {"b": None},
    }


def test_an_update_without_effect_emits_no_event(shop):
    subscription = create(shop, shop.customer("pm_card_visa"), metadata={"a": "1"})
    shop.news()
    shop.client.v1.subscriptions.update(subscription.id, {"metadata": {"a": "1"}})
    assert shop.news() == []


def test_canceling_an_incomplete_one(shop):
    subscription = create(shop, shop.customer("pm_card_chargeCustomerFail"))
    shop.news()
    ended = shop.client.v1.subscriptions.cancel(subscription.id)
    assert ended.status == "incomplete_expired"
    assert shop.news() == [
        "payment_intent.canceled",
        "invoice.updated",
        "invoice.voided",
        "customer.subscription.deleted",
    ]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.subscriptions.cancel(subscription.id)
    assert raised.value.http_status == 404


def test_cancel_at_the_ends_of_periods(shop):
    monthly, yearly = shop.price(), shop.price(9000, "year")
    subscription = create(
        shop, shop.customer("pm_card_visa"), items=[{"price": monthly}, {"price": yearly}]
    )
    ends = [item.current_period_end for item in subscription["items"].data]
    update = shop.client.v1.subscriptions.update
    assert update(subscription.id, {"cancel_at": "min_period_end"}).cancel_at == min(ends)
    assert update(subscription.id, {"cancel_at": "max_period_end"}).cancel_at == max(ends)
    assert update(subscription.id, {"cancel_at": ""}).cancel_at is None


def test_resume_is_for_paused_ones(shop):
    subscription = create(shop, shop.customer("pm_card_visa"))
    with pytest.raises(stripe.InvalidRequestError, match="only paused subscriptions"):
        shop.client.v1.subscriptions.resume(subscription.id)


def test_items_over_their_own_routes(shop):
    subscription = create(shop, shop.customer("pm_card_visa"), items=[{"price": shop.price()}])
    api = shop.client.v1.subscription_items
    shop.news()
    added = api.create(
        {"subscription": subscription.id, "price": shop.price(), "proration_behavior": "none"}
    )
    assert shop.news()[-1] == "customer.subscription.updated"
    listed = api.list({"subscription": subscription.id}).data
    assert [item.id for item in listed] == [subscription["items"].data[0].id, added.id]
    changed = api.update(added.id, {"quantity": 4, "proration_behavior": "none"})
    assert changed.quantity == api.retrieve(added.id).quantity == 4
    gone = api.delete(added.id, {"proration_behavior": "none"})
    assert gone.to_dict() == {"id": added.id, "object": "subscription_item", "deleted": True}
    assert len(shop.subscription(subscription.id)["items"].data) == 1
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription_item"):
        api.retrieve(added.id)
