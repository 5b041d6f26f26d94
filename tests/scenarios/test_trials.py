"""Trials, free plans and discounts give access for little or no money."""

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


def path(price: Json) -> str:
    return f"/subscriptions/alice/{price['product']}"


def test_a_trial_with_a_card_becomes_a_paid_subscription(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    story.buys(price, trial_period_days=14)
    trial = story.check("sso")
    assert (trial["allowed"], trial["reason"]) == (True, "trial")
    event_types = story.events()
    assert "payment.paid" not in event_types
    assert event_types.count("subscription.trial_ending") == 0
    story.advance(days=11, hours=1)
    assert story.events() == ["subscription.trial_ending"]
    story.advance(days=3, hours=2)
    assert story.may("sso") == "entitled"
    event_types = story.events()
    assert event_types.count("payment.paid") == 1
    assert "subscription.trial_ending" not in event_types
    story.advance(days=31)
    assert sorted(story.events()) == RENEWED


def test_a_trial_without_a_card_is_canceled_in_the_end(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    body: Json = {"trial_without_card": True, "trial_end_behavior": "cancel"}
    checkout = story.open(price, trial_period_days=7, **body)
    assert story.pay(checkout, card=None).status == "complete"
    story.process_everything()
    assert story.may("sso") == "trial"
    story.advance(days=8)
    assert story.may("sso") == "no: not_entitled"
    assert story.get(path(price))["status"] == "canceled"
    event_types = story.events()
    assert event_types.count("subscription.trial_ending") == 1
    assert event_types.count("subscription.canceled") == 1
    assert "payment.paid" not in event_types


def test_a_trial_without_a_card_pauses_and_comes_back(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    body: Json = {"trial_without_card": True, "trial_end_behavior": "pause"}
    story.pay(story.open(price, trial_period_days=7, **body), card=None)
    story.process_everything()
    story.advance(days=8)
    assert (story.get(path(price))["status"], story.may("sso")) == ("paused", "no: not_entitled")
    assert story.events().count("subscription.paused") == 1


def test_a_trial_ends_early_on_request(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    story.buys(price, trial_period_days=30)
    story.advance(days=3)
    story.events()
    changed = story.patch(path(price), {"trial_end": "now"})
    assert (changed["status"], story.may("sso")) == ("active", "entitled")
    story.process_everything()
    event_types = story.events()
    assert (event_types.count("payment.paid"), event_types.count("subscription.trial_ending")) == (
        1,
        0,
    )


def test_a_free_plan_needs_no_card(story: Story) -> None:
    price = story.sells("Free", 0, features={"seats": 1})
    checkout = story.open(price)
    assert story.pay(checkout, card=None).status == "complete"
    story.process_everything()
    assert story.get(f"/checkout/{checkout['id']}")["payment_status"] == "no_payment_required"
    assert story.may("seats") == "entitled"
    assert "payment.paid" not in story.events()
    story.advance(days=32)
    assert story.may("seats") == "entitled"
    assert "payment.failed" not in story.events()


def test_a_full_discount_covers_the_first_invoice_only(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    coupon = story._made(story.api.post("/coupons", {"percent_off": 100, "duration": "once"}))
    checkout = story.buys(price, coupon=coupon["id"])
    assert (checkout["total"]["amount"], checkout["discount"]["amount"]) == (0, 2900)
    assert story.may("sso") == "entitled"
    assert "payment.paid" not in story.events()
    story.advance(days=31, hours=2)
    assert sorted(story.events()) == RENEWED
    assert story.payload("invoice.paid")["total"]["amount"] == 2900


def test_a_repeating_discount_ends_after_three_months(story: Story) -> None:
    price = story.sells("Pro", features={"sso": True})
    terms = {"percent_off": 50, "duration": "repeating", "duration_in_months": 3}
    coupon = story._made(story.api.post("/coupons", terms))
    code = {"coupon": coupon["id"], "code": "HALF"}
    story._made(story.api.post("/promotion-codes", code))
    story.buys(price, promotion_code="HALF")
    paid = [story.payload("invoice.paid")["total"]["amount"]]
    for _ in range(4):
        story.advance(days=31)
        paid.append(story.payload("invoice.paid")["total"]["amount"])
    assert paid == [1450, 1450, 1450, 2900, 2900]


def test_a_buyer_types_a_promotion_code(story: Story) -> None:
    """On the tenant's own page: Stripe's would take the codes of every project of the account."""
    price = story.sells("Lifetime", 9900, interval=None, features={"sso": True})
    off = {"amount_off": {"amount": 900, "currency": "usd"}}
    coupon = story._made(story.api.post("/coupons", off))
    story._made(story.api.post("/promotion-codes", {"coupon": coupon["id"], "code": "NINE"}))
    checkout = story.buys(price, promotion_code="nine")
    assert (checkout["total"]["amount"], checkout["discount"]["amount"]) == (9000, 900)
    assert story.payload("payment.paid")["amount"]["amount"] == 9000
