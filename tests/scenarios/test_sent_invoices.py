"""An imported subscription with sent invoices keeps access until they are overdue, then grace."""

from datetime import timedelta

from billing.models import StripeCustomer
from tests.billing.tenant import Json
from tests.scenarios.story import Story


def imported(story: Story, price: Json, days_until_due: int) -> str:
    """Alice's, made at Stripe by somebody else."""
    story.buys(story.sells("Free trial of the shop", 0))
    params = {
        "customer": StripeCustomer.objects.for_project(story.project).get().stripe_id,
        "items": [{"price": price["stripe_id"]}],
        "collection_method": "send_invoice",
        "days_until_due": days_until_due,
    }
    subscription = story.stripe.v1.subscriptions.create(params)  # type: ignore[arg-type]
    story.process_everything()
    return str(subscription.id)


def newest(story: Story, subscription: str) -> str:
    listed = story.stripe.v1.invoices.list({"subscription": subscription})
    return str(listed.data[0].id)


def test_grace_counts_from_the_due_date(story: Story) -> None:
    price = story.sells("Team", 5000, features={"sso": True})
    subscription = imported(story, price, days_until_due=14)
    assert story.may("sso") == "entitled"
    story.advance(days=13)
    assert story.may("sso") == "entitled"
    assert "subscription.past_due" not in story.events()
    story.advance(days=1, hours=2)
    assert "subscription.past_due" in story.events()
    decision = story.check("sso")
    assert (decision["allowed"], decision["reason"]) == (True, "grace")
    ends = story.now.replace(microsecond=0) - timedelta(hours=1) + timedelta(days=3)
    assert decision["valid_until"] == ends.isoformat().replace("+00:00", "Z")
    story.advance(days=3)
    assert story.may("sso") == "no: not_entitled"
    story.stripe.v1.invoices.pay(newest(story, subscription), {"paid_out_of_band": True})
    story.process_everything()
    assert story.may("sso") == "entitled"


def test_a_sent_renewal_is_told_when_it_is_paid(story: Story) -> None:
    price = story.sells("Team", 5000, features={"sso": True})
    subscription = imported(story, price, days_until_due=14)
    story.advance(hours=2)
    story.stripe.v1.invoices.pay(newest(story, subscription), {"paid_out_of_band": True})
    story.advance(days=32)
    story.events()
    assert story.may("sso") == "entitled"
    story.stripe.v1.invoices.pay(newest(story, subscription), {"paid_out_of_band": True})
    story.process_everything()
    assert "subscription.renewed" in story.events()
