"""Carts are filled, frozen during payment and free after an unpaid page."""

from tests.billing.tenant import HOME, Json
from tests.scenarios.story import Story


def fill(story: Story, *prices: Json, user_id: str = "alice") -> Json:
    lines = [{"price": each["id"]} for each in prices]
    return story.post("/carts", {"user_id": user_id, "lines": lines})


def check_out(story: Story, cart: Json) -> Json:
    return story.post("/checkout/cart", {"cart": cart["id"], "success_url": f"{HOME}/thanks"})


def test_a_plan_and_two_items_are_bought_on_one_page(story: Story) -> None:
    plan = story.sells("Pro", 2900, features={"sso": True})
    setup = story.sells("Setup", 5000, interval=None, features={"setup": True})
    report = story.sells("Report", 700, interval=None, features={"report": True})
    cart = fill(story, plan, setup)
    cart = story.post(f"/carts/{cart['id']}/items", {"price": report["id"], "quantity": 2})
    assert cart["subtotal"]["amount"] == 2900 + 5000 + 1400
    checkout = check_out(story, cart)
    frozen = story.api.post(f"/carts/{cart['id']}/items", {"price": report["id"]})
    assert story.refused(frozen) == (409, "cart-frozen")
    assert story.pay(checkout).status == "complete"
    story.process_everything()
    assert [story.may(each) for each in ("sso", "setup", "report")] == ["entitled"] * 3
    body = story.get(f"/carts/{cart['id']}")
    assert body["status"] == "completed"
    assert all(line["fulfilled_at"] for line in body["lines"])
    assert sorted(story.events()) == [
        "cart.completed",
        "checkout.completed",
        "checkout.paid",
        *["checkout_line.fulfilled"] * 3,
        "customer.created",
        "customer.updated",  # the address typed on the page
        *["entitlements.changed"] * 2,
        *["feature.created"] * 3,
        "invoice.finalized",
        "invoice.paid",
        "payment.created",
        "payment.paid",
        *["price.created"] * 3,
        *["product.created"] * 3,
        "subscription.created",
    ]
    assert story.payload("cart.completed")["status"] == "completed"
    story.advance(days=31, hours=2)
    assert "cart.completed" not in story.events()
    assert story.payload("invoice.paid")["total"]["amount"] == 2900
    story.delete(f"/subscriptions/alice/{plan['product']}?when=now")
    assert [story.may(each) for each in ("sso", "setup")] == ["no: not_entitled", "entitled"]


def test_an_unpaid_page_expires_and_frees_the_cart(story: Story) -> None:
    report = story.sells("Report", 700, interval=None, features={"report": True})
    cart = fill(story, report)
    check_out(story, cart)
    story.advance(days=2)
    assert story.get(f"/carts/{cart['id']}")["status"] == "open"
    line = story.get(f"/carts/{cart['id']}")["lines"][0]
    story.patch(f"/carts/{cart['id']}/items/{line['id']}", {"quantity": 3})
    story.pay(check_out(story, cart))
    story.process_everything()
    assert story.may("report") == "entitled"
    assert story.payload("payment.paid")["amount"]["amount"] == 2100
    event_types = story.events()
    assert (event_types.count("checkout.expired"), event_types.count("checkout.completed")) == (
        1,
        1,
    )


def test_a_price_changes_while_it_lies_in_a_cart(story: Story) -> None:
    old = story.sells("Report", 700, interval=None, features={"report": True})
    cart = fill(story, old)
    new = story.price({"id": old["product"]}, 900, interval=None)
    story.patch(f"/prices/{old['id']}", {"active": False})
    body = {"cart": cart["id"], "success_url": f"{HOME}/thanks"}
    refused = story.api.post("/checkout/cart", body)
    assert story.refused(refused) == (409, "price-changed")
    (line,) = story.get(f"/carts/{cart['id']}")["lines"]
    assert line["problem"]["replacement"] == new["id"]
    story.patch(f"/carts/{cart['id']}/items/{line['id']}", {"price": new["id"]})
    story.pay(check_out(story, cart))
    story.process_everything()
    assert story.payload("payment.paid")["amount"]["amount"] == 900


def test_an_abandoned_cart_expires(story: Story) -> None:
    report = story.sells("Report", 700, interval=None)
    body = {"user_id": "alice", "lines": [{"price": report["id"]}], "expires_in": 3600}
    cart = story.post("/carts", body)
    story.events()
    story.advance(hours=2)
    assert story.get(f"/carts/{cart['id']}")["status"] == "expired"
    late = story.api.post("/checkout/cart", {"cart": cart["id"], "success_url": f"{HOME}/thanks"})
    assert story.refused(late) == (409, "cart-closed")
    assert story.events() == ["cart.expired"]
    expired = story.payload("cart.expired")
    assert (expired["id"], expired["status"]) == (cart["id"], "expired")
