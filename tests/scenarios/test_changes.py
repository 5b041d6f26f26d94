"""Subscriptions change plans, seats, add-ons and pauses."""

import pytest

from tests.billing.tenant import Json
from tests.scenarios.story import Story

RENEWED = [
    "invoice.drafted",
    "invoice.finalized",
    "invoice.paid",
    "payment.created",
    "payment.paid",
    "subscription.renewed",
]


@pytest.fixture
def plans(story: Story) -> tuple[Json, Json]:
    """A small plan, which alice has had for ten days, and a big one."""
    small = story.sells("Small", 1000, features={"seats": 3})
    big = story.sells("Big", 5000, features={"seats": 25, "sso": True})
    story.buys(small)
    story.advance(days=10)
    story.events()
    return small, big


def path(price: Json, user_id: str = "alice") -> str:
    return f"/subscriptions/{user_id}/{price['product']}"


def seats(story: Story) -> int | None:
    limit: int | None = story.check("seats")["limit"]
    return limit


def test_an_upgrade_counts_at_once_and_costs_what_the_preview_said(
    story: Story, plans: tuple[Json, Json]
) -> None:
    small, big = plans
    preview = story.post(f"{path(small)}/preview", {"price": big["id"]})
    assert story.events() == []
    dated = {"price": big["id"], "proration_date": preview["bill"]["proration_date"]}
    changed = story.patch(path(small), dated)
    assert (seats(story), story.may("sso")) == (25, "entitled")
    assert changed["bill"]["amount_due"] == preview["bill"]["amount_due"]
    story.process_everything()
    assert sorted(story.events()) == [
        "entitlements.changed",
        "invoice.finalized",
        "invoice.paid",
        "invoice.updated",
        "payment.created",
        "payment.paid",
        "subscription.updated",
    ]
    assert story.payload("invoice.paid")["total"] == preview["bill"]["amount_due"]
    story.advance(days=22)
    assert sorted(story.events()) == RENEWED
    assert story.payload("invoice.paid")["total"]["amount"] == 5000


def test_a_downgrade_waits_for_the_renewal(story: Story, plans: tuple[Json, Json]) -> None:
    small, big = plans
    story.patch(path(small), {"price": big["id"]})
    story.process_everything()
    story.events()
    planned = story.patch(path(big), {"price": small["id"]})
    assert planned["scheduled_change"]["items"][0]["price"] == small["id"]
    assert (seats(story), story.may("sso")) == (25, "entitled")
    story.process_everything()
    assert story.events() == ["subscription.updated"]
    story.advance(days=22)
    assert (seats(story), story.may("sso")) == (3, "no: not_entitled")
    expected_types = {*RENEWED, "entitlements.changed", "subscription.updated"}
    assert sorted(set(story.events())) == sorted(expected_types)
    assert story.payload("invoice.paid")["total"]["amount"] == 1000


def test_a_planned_downgrade_is_taken_back(story: Story, plans: tuple[Json, Json]) -> None:
    small, big = plans
    story.patch(path(small), {"price": big["id"]})
    story.patch(path(big), {"price": small["id"]})
    body = story.patch(path(big), {"undo_scheduled_change": True})
    assert body["scheduled_change"] is None
    story.process_everything()
    story.events()
    story.advance(days=22)
    assert seats(story) == 25
    assert sorted(story.events()) == RENEWED


def test_an_upgrade_that_the_bank_declines_changes_nothing(
    story: Story, plans: tuple[Json, Json]
) -> None:
    small, big = plans
    story.declines()
    refused = story.api.patch(path(small), {"price": big["id"]})
    assert story.refused(refused) == (402, "card-declined")
    assert seats(story) == 3
    story.process_everything()
    assert "subscription.updated" not in story.events()
    story.accepts()
    story.patch(path(small), {"price": big["id"]})
    assert seats(story) == 25


def test_seats_are_added_and_taken_away(story: Story) -> None:
    price = story.sells("Team", 1200, features={"sso": True})
    story.buys(price, quantity=2)
    story.advance(days=15)
    story.events()
    more = story.patch(path(price), {"quantity": 5})
    assert more["items"][0]["quantity"] == 5
    assert more["bill"]["amount_due"]["amount"] > 0
    story.process_everything()
    story.events()
    less = story.patch(path(price), {"quantity": 4})
    assert less["items"][0]["quantity"] == 5
    story.advance(days=17)
    assert story.get(path(price))["items"][0]["quantity"] == 4
    assert story.payload("invoice.paid")["total"]["amount"] == 4800


def test_an_add_on_comes_and_goes(story: Story, plans: tuple[Json, Json]) -> None:
    small, _ = plans
    extra = story.sells("Audit log", 700, features={"audit": True})
    story.post(f"{path(small)}/addons", {"price": extra["id"]})
    assert story.may("audit") == "entitled"
    assert len(story.get(path(extra))["items"]) == 2
    story.process_everything()
    assert sorted(story.events()) == [
        "entitlements.changed",
        "feature.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.updated",
        "payment.created",
        "payment.paid",
        "price.created",
        "product.created",
        "subscription.updated",
    ]
    story.delete(f"{path(small)}/addons/{extra['product']}?when=now")
    assert (story.may("audit"), seats(story)) == ("no: not_entitled", 3)
    story.process_everything()
    story.events()
    story.advance(days=22)
    credit_used = "stripe_customer.balance_changed"
    assert sorted(story.events()) in (
        sorted([*RENEWED, credit_used]),
        [*RENEWED[:3], credit_used, "subscription.renewed"],
    )


def test_a_pause_gives_nothing_and_ends_by_itself(story: Story, plans: tuple[Json, Json]) -> None:
    small, _ = plans
    until = story.now.replace(microsecond=0)
    resumes = until.timestamp() + 40 * 86_400
    at = type(until).fromtimestamp(resumes, tz=until.tzinfo).isoformat()
    paused = story.post(f"{path(small)}/pause", {"resumes_at": at})
    assert paused["pause"]["resumes_at"] is not None
    assert seats(story) == 0
    story.process_everything()
    assert sorted(story.events()) == ["entitlements.changed", "subscription.paused"]
    story.advance(days=30)
    assert seats(story) == 0
    assert "invoice.paid" not in story.events()
    story.advance(days=11)
    assert seats(story) == 0, "the period that began in the pause was not paid"
    assert story.events().count("subscription.resumed") == 1
    story.advance(days=11)
    assert seats(story) == 3
    event_types = story.events()
    assert event_types.count("subscription.renewed") == 1
    assert event_types.count("entitlements.changed") == 1


def test_a_pause_is_ended_by_hand(story: Story, plans: tuple[Json, Json]) -> None:
    small, _ = plans
    story.post(f"{path(small)}/pause")
    assert seats(story) == 0
    story.advance(days=5)
    story.events()
    story.post(f"{path(small)}/resume")
    assert seats(story) == 3
    story.process_everything()
    assert sorted(story.events()) == ["entitlements.changed", "subscription.resumed"]
    story.advance(days=60)
    assert seats(story) == 3
