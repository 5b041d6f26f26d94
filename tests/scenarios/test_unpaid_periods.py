"""A period gives its features and credits only when it is paid."""

from datetime import timedelta

from billing.models import Subscription
from tests.scenarios.story import Story
from tests.scenarios.test_credits import balance, grants, sells, spend
from tests.scenarios.test_renewals import SUBSCRIBED


def test_a_pause_over_a_renewal_gives_no_period_for_nothing(story: Story) -> None:
    price = sells(story, "Pro", 100)
    path = f"/subscriptions/alice/{price['product']}"
    story.buys(price)
    story.advance(days=29)
    until = (story.now + timedelta(days=3)).isoformat()
    story.post(f"{path}/pause", {"resumes_at": until})
    assert balance(story) == 0
    story.advance(days=4)
    (shown,) = story.get("/subscriptions/alice")["data"]
    assert (shown["status"], shown["pause"], balance(story)) == ("active", None, 0)
    story.declines()
    assert story.refused(story.api.post(f"{path}/resume")) == (402, "card-declined")
    story.accepts()
    story.events()
    story.post(f"{path}/resume")
    story.process_everything()
    assert balance(story) == 100
    assert story.payload("invoice.paid")["total"]["amount"] == 10_000
    assert story.refused(story.api.post(f"{path}/resume")) == (409, "not-paused")
    story.advance(days=32)
    assert balance(story) == 100


def test_access_after_a_pause_comes_with_money(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    path = f"/subscriptions/alice/{price['product']}"
    story.buys(price)
    story.advance(days=29)
    story.post(f"{path}/pause", {"resumes_at": (story.now + timedelta(days=3)).isoformat()})
    story.advance(days=4)
    assert story.may("sso") == "no: not_entitled"
    story.post(f"{path}/resume")
    assert story.may("sso") == "entitled"


def test_during_a_draft_renewal_the_old_period_continues(story: Story) -> None:
    price = story.sells("Pro", 10_000, features={"sso": True}, product={"credits": {"amount": 100}})
    story.buys(price)
    assert sorted(story.events()) == sorted(
        [*SUBSCRIBED, "credits.granted", "feature.created", "price.created", "product.created"]
    )
    spend(story, 70)
    story.advance(days=29, hours=23)
    story.declines()
    story.advance(hours=1, minutes=30)
    assert (balance(story), story.may("sso")) == (30, "entitled")
    assert [each for each in story.events() if each.startswith("subscription")] == []
    story.advance(hours=1)
    assert (balance(story), story.may("sso")) == (0, "grace")
    assert "subscription.past_due" in story.events()
    story.accepts()
    story.advance(days=4)
    assert (balance(story), story.may("sso")) == (100, "entitled")
    assert story.events().count("subscription.renewed") == 1
    assert grants(story, "given", "expired") == [(100, 30), (100, 0)]


def test_a_project_that_trusts_gives_with_the_invoice(story: Story) -> None:
    story.buys(sells(story, "Pro", 100, renewal_policy="invoiced"))
    spend(story, 70)
    story.declines()
    story.advance(days=30, minutes=30)
    assert balance(story) == 100
    spend(story, 10)
    story.advance(hours=2)
    assert (balance(story), story.get("/credits/alice")["withheld"]) == (0, 90)
    story.accepts()
    story.advance(days=4)
    assert balance(story) == 90


def test_grace_counts_from_the_invoice_that_failed(story: Story) -> None:
    """In the middle of a period an upgrade fails that Stripe carries out all the same."""
    small = story.sells("Small", 1000, features={"sso": True})
    large = story.sells("Large", 9000, features={"sso": True})
    story.buys(small)
    story.advance(days=15)
    story.declines()
    row = Subscription.objects.for_project(story.project).get()
    item = row.items.get()
    story.stripe.v1.subscriptions.update(
        str(row.stripe_id),
        {
            "items": [{"id": item.stripe_id, "price": large["stripe_id"]}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "allow_incomplete",
        },
    )
    story.process_everything()
    assert story.may("sso") == "grace"
    story.advance(days=2, hours=23)
    assert story.may("sso") == "grace"
    story.advance(hours=2)
    assert story.may("sso") == "no: not_entitled"
    story.accepts()
    story.advance(days=6)
    assert story.may("sso") == "entitled"
