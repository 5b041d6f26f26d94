"""Subscriptions renew over months, recover from failed cards, or end."""

import pytest

from tests.scenarios.story import Story

SUBSCRIBED = [
    "checkout.completed",
    "checkout.paid",
    "checkout_line.fulfilled",
    "customer.created",
    "customer.updated",
    "entitlements.changed",
    "invoice.finalized",
    "invoice.paid",
    "payment.created",
    "payment.paid",
    "subscription.created",
]
"""Sorted: which of them comes first is not promised. A new customer gets the typed address."""
RENEWED = [
    "invoice.drafted",
    "invoice.finalized",
    "invoice.paid",
    "payment.created",
    "payment.paid",
    "subscription.renewed",
]


def test_a_year_of_renewals(story: Story) -> None:
    story.buys(story.sells("Pro", features={"sso": True}))
    assert sorted(story.events()) == sorted(
        [*SUBSCRIBED, "feature.created", "price.created", "product.created"]
    )
    for _ in range(12):
        story.advance(days=31)
        assert story.may("sso") == "entitled"
        assert sorted(story.events()) == RENEWED
    assert len(story.get("/invoices")["data"]) == 13


@pytest.mark.parametrize("interval", ["day", "week", "month", "year"])
def test_every_interval_renews(story: Story, interval: str) -> None:
    story.buys(story.sells("Pro", interval=interval, features={"sso": True}))
    story.events()
    story.advance(days={"day": 1, "week": 7, "month": 31, "year": 366}[interval], hours=2)
    assert sorted(story.events()) == RENEWED
    assert story.may("sso") == "entitled"


def test_a_payment_fails_then_recovers_within_grace(story: Story) -> None:
    story.buys(story.sells("Pro", features={"sso": True}))
    story.declines()
    story.events()
    story.advance(days=31, hours=2)
    failed = story.check("sso")
    assert (failed["allowed"], failed["reason"]) == (True, "grace")
    assert failed["valid_until"] is not None
    assert sorted(story.events()) == [
        "entitlements.changed",
        "invoice.drafted",
        "invoice.finalized",
        "invoice.payment_failed",
        "payment.created",
        "payment.failed",
        "stripe_customer.delinquent",
        "subscription.past_due",
    ]
    story.accepts()
    story.advance(days=3)
    assert story.may("sso") == "entitled"
    assert sorted(story.events()) == [
        "entitlements.changed",
        "invoice.paid",
        "payment.paid",
        "stripe_customer.delinquency_ended",
        "subscription.renewed",
        "subscription.updated",
    ]


def test_grace_runs_out_and_a_late_payment_brings_access_back(story: Story) -> None:
    story.buys(story.sells("Pro", features={"sso": True}))
    story.declines()
    story.advance(days=31, hours=2)
    story.events()
    story.advance(days=3)
    assert story.may("sso") == "no: not_entitled"
    assert "entitlements.changed" in story.events()
    story.accepts()
    story.advance(days=6)
    assert story.may("sso") == "entitled"
    assert sorted(story.events()) == [
        "entitlements.changed",
        "invoice.paid",
        "payment.paid",
        "stripe_customer.delinquency_ended",
        "subscription.renewed",
        "subscription.updated",
    ]


def test_a_payment_that_never_succeeds_ends_the_subscription(story: Story) -> None:
    story.buys(story.sells("Pro", features={"sso": True}))
    story.declines()
    story.events()
    story.advance(days=60)
    assert story.may("sso") == "no: not_entitled"
    (subscription,) = story.get("/subscriptions/alice")["data"]
    assert subscription["status"] == "canceled"
    event_types = story.events()
    assert event_types.count("subscription.canceled") == 1


def test_cancel_at_the_end_of_the_period(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    story.buys(price)
    story.events()
    story.advance(days=10)
    story.patch(f"/subscriptions/alice/{price['product']}", {"cancel_at_period_end": True})
    assert story.events() == ["subscription.updated", "entitlements.changed"]
    assert story.may("sso") == "entitled"
    assert story.check("sso")["valid_until"] is not None
    story.advance(days=22)
    assert story.may("sso") == "no: not_entitled"
    assert sorted(story.events()) == ["entitlements.changed", "subscription.canceled"]
    story.advance(days=62)
    assert story.events() == []


def test_a_cancellation_that_is_taken_back_renews(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    story.buys(price)
    path = f"/subscriptions/alice/{price['product']}"
    story.patch(path, {"cancel_at_period_end": True})
    story.patch(path, {"cancel_at_period_end": False})
    story.events()
    story.advance(days=32)
    assert sorted(story.events()) == RENEWED
    assert story.may("sso") == "entitled"


def test_cancel_now_and_subscribe_again(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    story.buys(price)
    story.advance(days=5)
    story.events()
    story.delete(f"/subscriptions/alice/{price['product']}?when=now")
    assert sorted(story.events()) == ["entitlements.changed", "subscription.canceled"]
    assert story.may("sso") == "no: not_entitled"
    story.buys(price)
    assert story.may("sso") == "entitled"
    assert sorted(story.events()) == [
        each for each in SUBSCRIBED if not each.startswith("customer.")
    ]
    assert len(story.get("/subscriptions/alice")["data"]) == 2


def test_two_products_live_side_by_side(story: Story) -> None:
    pro = story.sells("Pro", features={"sso": True, "seats": 5})
    team = story.sells("Team", 9900, features={"audit": True, "seats": 25})
    story.buys(pro)
    story.buys(team)
    assert [story.may(each) for each in ("sso", "audit")] == ["entitled", "entitled"]
    assert story.check("seats")["limit"] == 25
    story.delete(f"/subscriptions/alice/{team['product']}?when=now")
    assert story.check("seats")["limit"] == 5
    assert [story.may(each) for each in ("sso", "audit")] == ["entitled", "no: not_entitled"]
    story.events()
    story.advance(days=31, hours=2)
    assert sorted(story.events()) == RENEWED


def test_a_second_subscription_to_the_same_product_is_refused(story: Story) -> None:
    price = story.sells("Pro")
    yearly = story.price({"id": price["product"]}, 29000, interval="year")
    story.buys(price)
    story.events()
    for each in (price, yearly):
        body = {"user_id": "alice", "price": each["id"], "success_url": "https://app.example.com/"}
        assert story.refused(story.api.post("/checkout", body)) == (409, "already-subscribed")
    assert story.events() == []
