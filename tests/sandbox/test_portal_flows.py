"""The portal's pages change payment methods and details, and flows lead to one page."""

from urllib.parse import urlsplit

import pytest
import stripe

from tests.sandbox.page_forms import page_text
from tests.sandbox.portal_pages import END, hidden, newest, portal_path
from tests.sandbox.refusals import error_of

CARD = {"number": "4242424242424242", "expiry": "12/34", "cvc": "123", "name": "Ada Lovelace"}


def test_the_portal_changes_the_default_card(shop, visitor, portal_subscription, enter_portal):
    path = enter_portal()
    assert visitor.get(f"{path}/card").status_code == 200
    wrong = visitor.post(f"{path}/card", data=CARD | {"cvc": "1"})
    assert (wrong.status_code, "Enter the 3 or 4 digits." in page_text(wrong)) == (422, True)
    declined = visitor.post(f"{path}/card", data=CARD | {"number": "4000000000000002"})
    assert (declined.status_code, "declined" in page_text(declined)) == (402, True)
    assert "4000000000000002" not in declined.text
    own = shop.subscription(portal_subscription.id).default_payment_method
    assert own
    shop.news()
    saved = visitor.post(f"{path}/card", data=CARD | {"number": "5555555555554444"})
    assert saved.location == f"{path}?done=card"
    assert shop.news() == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
        "customer.updated",
    ]
    customer = shop.client.v1.customers.retrieve(portal_subscription.customer)
    method = customer.invoice_settings.default_payment_method
    assert shop.subscription(portal_subscription.id).default_payment_method == own != method
    assert "Mastercard •••• 4444" in page_text(visitor.get(saved.location))
    shop.until(END + 3600)
    assert newest(shop, portal_subscription).status == "paid"


def test_a_bank_account_is_named(shop, visitor, portal_subscription, enter_portal):
    method = shop.client.v1.payment_methods.attach(
        "pm_usBankAccount_success", {"customer": portal_subscription.customer}
    )
    shop.client.v1.customers.update(
        portal_subscription.customer, {"invoice_settings": {"default_payment_method": method.id}}
    )
    account = method.us_bank_account
    text = page_text(visitor.get(enter_portal()))
    assert f"{account.bank_name} •••• {account.last4} Change card" in text


@pytest.mark.parametrize("answer", ["complete", "fail"])
def test_a_card_that_the_bank_asks_about(shop, visitor, portal_subscription, enter_portal, answer):
    path = enter_portal()
    bank = visitor.post(f"{path}/card", data=CARD | {"number": "4000002500003155"})
    assert bank.location.startswith("/pages/3ds/seti_")
    back = visitor.post(bank.location, data={"answer": answer})
    assert urlsplit(back.location).path == f"{path}/card"
    parts = urlsplit(back.location)
    end = visitor.get(f"{parts.path}?{parts.query}")
    if answer == "complete":
        assert end.location == f"{path}?done=card"
        assert "•••• 3155" in page_text(visitor.get(path))
    else:
        assert "We could not confirm that it is you." in page_text(end)
        assert "•••• 4242" in page_text(visitor.get(path))


def test_the_portal_changes_customer_details(shop, visitor, portal_subscription, enter_portal):
    path = enter_portal()
    assert "Phone" not in page_text(visitor.get(f"{path}/details"))
    wrong = visitor.post(f"{path}/details", data={"email": "x", "name": "Eve"})
    assert wrong.status_code == 422
    visitor.post(f"{path}/details", data={"email": "eve@example.com", "name": "Eve", "phone": "1"})
    customer = shop.client.v1.customers.retrieve(portal_subscription.customer)
    assert (customer.email, customer.name, customer.phone) == ("eve@example.com", "Eve", None)


def test_flows_lead_to_one_page_and_on(
    shop, visitor, portal_subscription, portal_prices, enter_portal
):
    target = {"subscription": portal_subscription.id}
    elsewhere = {"type": "redirect", "redirect": {"return_url": "https://shop.example/sorry"}}
    path = enter_portal(
        flow_data={
            "type": "subscription_cancel",
            "subscription_cancel": target,
            "after_completion": elsewhere,
        }
    )
    assert visitor.get(path).location == path + portal_path(portal_subscription, "cancel")
    for page in ("/card", "/details", portal_path(portal_subscription, "plans")):
        assert visitor.get(path + page).status_code == 404
    done = visitor.post(path + portal_path(portal_subscription, "cancel"))
    assert done.location == "https://shop.example/sorry"
    assert "Your changes are saved" in page_text(visitor.get(path))
    shop.client.v1.subscriptions.update(portal_subscription.id, {"cancel_at": ""})

    thanks = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Merci"}}
    path = enter_portal(flow_data={"type": "payment_method_update", "after_completion": thanks})
    assert visitor.get(path).location == f"{path}/card"
    done = visitor.post(f"{path}/card", data=CARD)
    assert "Merci" in page_text(visitor.get(done.location))
    assert visitor.get(f"{path}/details").status_code == 404

    path = enter_portal(flow_data={"type": "subscription_update", "subscription_update": target})
    assert visitor.get(path).location == path + portal_path(portal_subscription, "plans")
    item = {
        "id": portal_subscription["items"].data[0].id,
        "price": portal_prices[1].id,
        "quantity": 1,
    }
    path = enter_portal(
        flow_data={
            "type": "subscription_update_confirm",
            "subscription_update_confirm": target | {"items": [item]},
        }
    )
    confirm_path = visitor.get(path).location
    assert confirm_path == path + portal_path(portal_subscription, "confirm")
    page = visitor.get(confirm_path)
    assert "To Pro $62.00 per month" in page_text(page)
    sent = {"price": portal_prices[2].id, "moment": hidden(page)}
    assert visitor.post(confirm_path, data=sent).location == f"{path}?done=changed"
    assert (
        shop.subscription(portal_subscription.id)["items"].data[0].price.id == portal_prices[1].id
    )
    assert "Update plan" in page_text(visitor.get(path))


def test_invalid_flows_are_refused(
    shop, portal_subscription, configure_portal, portal_prices, enter_portal
):
    mine, other = {"subscription": portal_subscription.id}, {"subscription": shop.subscribe().id}
    id = portal_subscription["items"].data[0].id
    confirm = "subscription_update_confirm"

    def asking(*items):
        return {"type": confirm, confirm: mine | {"items": list(items)}}

    for flow, param in (
        ({"type": "subscription_cancel"}, "flow_data[subscription_cancel]"),
        ({"type": "subscription_cancel", "subscription_cancel": other},
         "flow_data[subscription_cancel][subscription]"),
        ({"type": "subscription_pause", "subscription_pause": mine}, "flow_data[type]"),
        ({"type": "payment_method_update", "after_completion": {"type": "redirect"}},
         "flow_data[after_completion][redirect]"),
        (asking({"id": "si_x", "price": portal_prices[1].id}),
         f"flow_data[{confirm}][items][0][id]"),
        (asking({"id": id, "price": shop.price()}), f"flow_data[{confirm}][items][0][price]"),
        (asking({"id": id, "price": portal_prices[0].id}), f"flow_data[{confirm}][items][0]"),
        (asking({"id": id}, {"id": id}), f"flow_data[{confirm}][items]"),
    ):  # fmt: skip
        with pytest.raises(stripe.InvalidRequestError) as raised:
            enter_portal(flow_data=flow)
        assert error_of(raised).param == param
    closed = configure_portal(subscription_cancel={"enabled": False})
    with pytest.raises(stripe.InvalidRequestError) as raised:
        enter_portal(closed, flow_data={"type": "subscription_cancel", "subscription_cancel": mine})
    assert "is disabled" in error_of(raised).message
