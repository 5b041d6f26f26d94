"""Plan credits follow the money of their period, however a customer tries to get more."""

import pytest

from tests.billing.tenant import Json
from tests.scenarios.story import Story
from tests.scenarios.test_credits import ALICE, balance, grants, sells, spend


def path(price: Json) -> str:
    return f"/subscriptions/alice/{price['product']}"


def change(story: Story, price: Json, /, **body: object) -> None:
    story.patch(path(price), {"when": "now", **body})
    story.process_everything()


def test_an_add_on_that_comes_back_gives_nothing_again(story: Story) -> None:
    plan, extra = sells(story, "Plan", 10, 1000), sells(story, "Extra", 1000, 1000)
    story.buys(plan)
    story.post(f"{path(plan)}/addons", {"price": extra["id"]})
    story.process_everything()
    assert balance(story) == 1010
    spend(story, 1010)
    for _ in range(3):
        story.delete(f"{path(plan)}/addons/{extra['product']}?when=now")
        story.process_everything()
        story.post(f"{path(plan)}/addons", {"price": extra["id"]})
        story.process_everything()
        assert balance(story) == 0
    assert grants(story, "spent", "available") == [(10, 0), (1000, 0)]


def test_an_add_on_that_comes_back_gives_what_is_paid_for_the_rest(story: Story) -> None:
    """Kept for a third of thirty days, and for the last third of them."""
    plan, extra = sells(story, "Plan", 10, 1000), sells(story, "Extra", 900, 1000)
    story.buys(plan)
    story.post(f"{path(plan)}/addons", {"price": extra["id"]})
    story.advance(days=10)
    story.delete(f"{path(plan)}/addons/{extra['product']}?when=now")
    story.process_everything()
    assert balance(story) == 310
    story.advance(days=10)
    story.post(f"{path(plan)}/addons", {"price": extra["id"]})
    story.process_everything()
    assert balance(story) == 610


def test_an_upgrade_gives_what_its_money_buys(story: Story) -> None:
    """Twelve of the period's 720 hours are left: a sixtieth of the large plan."""
    small, large = sells(story, "Small", 60, 1000), sells(story, "Large", 6000, 100_000)
    story.buys(small)
    story.advance(days=29, hours=12)
    change(story, small, price=large["id"])
    assert balance(story) == 59 + 100
    story.advance(hours=14)
    assert balance(story) == 6000


def test_spending_between_an_upgrade_and_a_downgrade_gains_nothing(story: Story) -> None:
    """What was spent beyond the money is owed: by later periods, and by another subscription."""
    small, large = sells(story, "Small", 100, 1000), sells(story, "Large", 5000, 100_000)
    story.buys(small)
    change(story, small, price=large["id"])
    assert balance(story) == 5000
    spend(story, 5000)
    change(story, large, price=small["id"])
    assert balance(story) == 0
    change(story, small, price=large["id"])
    assert balance(story) == 0
    change(story, large, price=small["id"])
    story.advance(days=30, hours=2)
    assert (balance(story), grants(story, "carried")[-1]) == (0, (100,))
    story.delete(f"{path(small)}?when=now")
    story.process_everything()
    story.buys(large)
    assert 0 < balance(story) < 5000
    assert grants(story, "amount", "carried")[-1] == (200, 4800)


def test_a_change_that_is_not_prorated_gives_what_was_paid(story: Story) -> None:
    small, large = sells(story, "Small", 100, 1000), sells(story, "Large", 5000, 50_000)
    story.buys(small)
    change(story, small, price=large["id"], proration="none")
    assert balance(story) == 100
    story.advance(days=30, hours=2)
    assert balance(story) == 5000
    change(story, large, price=small["id"], proration="none")
    assert balance(story) == 5000


def test_more_seats_give_more_for_the_rest_of_the_period(story: Story) -> None:
    price = sells(story, "Team", 90, 900)
    story.buys(price, quantity=2)
    story.advance(days=20)
    change(story, price, quantity=5)
    assert balance(story) == 180 + 90
    change(story, price, quantity=1)
    assert balance(story) == 120 + 30


def test_another_interval_gives_what_each_period_was_paid_for(story: Story) -> None:
    monthly = sells(story, "Pro", 300, 3000)
    yearly = story.price({"id": monthly["product"]}, 30_000, interval="year")
    story.buys(monthly)
    story.advance(days=10)
    spend(story, 290)
    change(story, monthly, price=yearly["id"])
    assert grants(story, "amount", "carried") == [(100, 0), (110, 190)]
    assert balance(story) == 110


@pytest.mark.parametrize("amount", [0, 2900])
def test_canceling_and_retaking_a_free_plan_gives_no_more_credits(
    story: Story, amount: int
) -> None:
    """Cancelled and taken again, free plans give no more; one that is paid again gives again."""
    price = sells(story, "Plan", 100, amount)
    for round_number in range(3):
        story.buys(price)
        assert balance(story) == (100 if amount or not round_number else 0)
        if round_number == 0 or amount:
            spend(story, 100)
        story.delete(f"{path(price)}?when=now")
        story.process_everything()
    assert story.get(ALICE)["balance"] == 0
