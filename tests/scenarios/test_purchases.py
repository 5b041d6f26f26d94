"""One-time purchases give access and are refunded in part or in whole."""

from tests.scenarios.story import Story

BOUGHT = [
    "checkout.completed",
    "checkout.paid",
    "checkout_line.fulfilled",
    "customer.created",
    "customer.updated",
    "entitlements.changed",
    "payment.created",
    "payment.paid",
]
"""Sorted: which of them comes first is not promised. A new customer gets the typed address."""


def lifetime(story: Story, **product: str) -> dict[str, object]:
    """Bought once; the payment."""
    price = story.sells("Lifetime", 9900, interval=None, features={"sso": True}, product=product)
    checkout = story.buys(price)
    return story.get(f"/payments/{checkout['payment']}")


def test_a_purchase_is_for_ever(story: Story) -> None:
    paid = lifetime(story)
    assert (paid["status"], paid["amount_received"]) == (
        "paid",
        {"amount": 9900, "currency": "usd"},
    )
    assert sorted(story.events()) == sorted(
        [*BOUGHT, "feature.created", "price.created", "product.created"]
    )
    story.advance(days=800)
    assert story.may("sso") == "entitled"
    assert story.events() == []


def test_many_partial_refunds_and_then_nothing_is_left(story: Story) -> None:
    paid = lifetime(story)
    story.events()
    path = f"/payments/{paid['id']}/refunds"
    for left in (6600, 3300):
        story.post(path, {"amount": 3300})
        assert story.get(f"/payments/{paid['id']}")["status"] == "partially_refunded"
        assert story.may("sso") == "entitled"
        assert story.events() == ["payment.refunded", "payment.refund_succeeded"]
        too_much = story.api.post(path, {"amount": left + 1})
        assert story.refused(too_much) == (409, "nothing-to-refund")
    story.post(path)
    assert story.get(f"/payments/{paid['id']}")["status"] == "refunded"
    assert story.may("sso") == "no: not_entitled"
    assert sorted(story.events()) == [
        "checkout_line.revoked",
        "entitlements.changed",
        "payment.refund_succeeded",
        "payment.refunded",
    ]
    story.process_everything()
    assert story.events() == []


def test_a_refunded_item_can_be_bought_again(story: Story) -> None:
    price = story.sells("Lifetime", 9900, interval=None, features={"sso": True})
    first = story.buys(price)
    story.post(f"/payments/{first['payment']}/refunds")
    assert story.may("sso") == "no: not_entitled"
    story.advance(days=3)
    story.events()
    story.buys(price)
    assert story.may("sso") == "entitled"
    assert sorted(story.events()) == [each for each in BOUGHT if not each.startswith("customer.")]


def test_a_purchase_beside_a_subscription_outlives_it(story: Story) -> None:
    pro = story.sells("Pro", features={"sso": True, "seats": 5})
    extra = story.sells("Extra seats", 4900, interval=None, features={"seats": 20})
    story.buys(pro)
    story.buys(extra)
    assert story.check("seats")["limit"] == 20
    story.delete(f"/subscriptions/alice/{pro['product']}?when=now")
    assert (story.may("sso"), story.check("seats")["limit"]) == ("no: not_entitled", 20)
    story.events()
    story.advance(days=90)
    assert story.events() == []


def test_a_page_that_nobody_pays_on_expires(story: Story) -> None:
    checkout = story.open(story.sells("Lifetime", 9900, interval=None, features={"sso": True}))
    assert story.pay(checkout, card="4000000000000002").status == "declined"
    story.process_everything()
    assert story.may("sso") == "no: not_entitled"
    declined = story.events()
    story.advance(days=2)
    assert story.get(f"/checkout/{checkout['id']}")["status"] == "expired"
    assert story.events().count("checkout.expired") == 1
    assert "checkout.completed" not in declined


def test_a_declined_page_is_paid_with_an_authenticated_card(story: Story) -> None:
    checkout = story.open(story.sells("Lifetime", 9900, interval=None, features={"sso": True}))
    assert story.pay(checkout, card="4000000000009995").status == "declined"
    assert story.pay(checkout, card="4000002760003184").status == "complete"
    assert story.sync(checkout)["status"] == "complete"
    assert story.may("sso") == "entitled"
    story.process_everything()
    event_types = story.events()
    assert (event_types.count("payment.paid"), event_types.count("checkout.completed")) == (1, 1)


def test_an_operator_grants_and_denies_beside_a_purchase(story: Story) -> None:
    story.buys(story.sells("Lifetime", 9900, interval=None, features={"sso": True}))
    story.events()
    story.post("/admin/revoke", {"user_id": "alice", "feature": "sso", "reason": "Abuse."})
    assert story.may("sso") == "no: revoked"
    assert sorted(story.events()) == ["entitlements.changed", "grant.created"]
    (denial,) = story.get("/admin/grants", user_id="alice")["data"]
    story.post("/admin/revoke", {"grant_id": denial["id"], "reason": "It was a mistake."})
    assert story.may("sso") == "entitled"
    assert sorted(story.events()) == ["entitlements.changed", "grant.revoked"]
