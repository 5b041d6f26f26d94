"""The customer portal's API and pages change subscriptions as configured."""

from urllib.parse import urlsplit

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from tests.sandbox.conftest import NOW
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY
from tests.sandbox.test_pages import page_text

BACK = "https://shop.example/account"
END = NOW + 31 * DAY
CARD = {"number": "4242424242424242", "expiry": "12/34", "cvc": "123", "name": "Ada Lovelace"}


@pytest.fixture
def visitor(world) -> Client:
    return Client(SandboxApplication(world))


@pytest.fixture
def prices(shop):
    """Of a product each: $31.00 a month, $62.00 a month, $10.00 a month."""
    return [
        shop.client.v1.prices.create(
            {"product_data": {"name": "Pro"}, "currency": "usd", "unit_amount": amount,
             "recurring": {"interval": "month"}}
        )
        for amount in (3100, 6200, 1000)
    ]  # fmt: skip


@pytest.fixture
def subscription(shop, prices):
    return shop.subscribe(prices[0].id)


@pytest.fixture
def configure(shop, prices):
    def make(**features):
        update = {
            "enabled": True,
            "default_allowed_updates": ["price", "quantity"],
            "products": [{"product": price.product, "prices": [price.id]} for price in prices],
            "proration_behavior": "always_invoice",
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
        }
        sent = {
            "customer_update": {"enabled": True, "allowed_updates": ["email", "name"]},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {
                "enabled": True,
                "cancellation_reason": {"enabled": True, "options": ["too_expensive", "other"]},
            },
            "subscription_update": update,
        }
        for name, changes in features.items():
            sent[name] = changes if not changes.get("enabled", True) else sent[name] | changes
        made = shop.client.v1.billing_portal.configurations.create({"features": sent})
        return made.id

    return make


@pytest.fixture
def enter(shop, subscription, configure):
    """Make a session; the path of its page."""

    def make(configuration=None, **params):
        sent = {
            "customer": subscription.customer,
            "configuration": configuration or configure(),
            "return_url": BACK,
            **params,
        }
        session = shop.client.v1.billing_portal.sessions.create(sent)
        shop.news()
        return urlsplit(session.url).path

    return make


def portal_path(subscription, page):
    return f"/subscriptions/{subscription.id}/{page}"


def newest(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data[0]


def test_configurations(shop, prices, configure):
    shop.news()
    id = configure()
    portals = shop.client.v1.billing_portal
    assert not hasattr(portals.configurations.retrieve(id).features.subscription_update, "products")
    products = "features.subscription_update.products"
    made = portals.configurations.retrieve(id, {"expand": [products]})
    [listed] = portals.configurations.list({"expand": [f"data.{products}"]}).data
    assert listed.to_dict() == made.to_dict()
    assert (made.active, made.is_default, made.login_page.enabled) == (True, False, False)
    cancel = made.features.subscription_cancel
    assert (cancel.mode, cancel.proration_behavior) == ("at_period_end", "none")
    offers = made.features.subscription_update.products
    assert [offer.prices for offer in offers] == [[price.id] for price in prices]
    offer = offers[0]
    assert offer.adjustable_quantity.to_dict() == {"enabled": False, "maximum": None, "minimum": 1}
    shop.later(1)
    changed = portals.configurations.update(
        id,
        {
            "features": {"subscription_cancel": {"enabled": False}},
            "business_profile": {"headline": "Hello"},
            "metadata": {"a": "b"},
        },
    )
    assert not changed.features.subscription_cancel.enabled
    assert changed.features.subscription_cancel.cancellation_reason.enabled
    assert (changed.business_profile.headline, changed.updated) == ("Hello", NOW + DAY)
    portals.configurations.update(id, {"active": False})
    assert [each.id for each in portals.configurations.list({"active": False})] == [id]
    assert portals.configurations.list({"active": True}).data == []
    assert shop.news() == [
        "billing_portal.configuration.created",
        "billing_portal.configuration.updated",
        "billing_portal.configuration.updated",
    ]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        portals.sessions.create({"customer": shop.customer(), "configuration": id})
    assert error_of(raised).param == "configuration"
    with pytest.raises(stripe.InvalidRequestError) as raised:
        portals.sessions.create({"customer": shop.customer()})
    assert "default configuration has not been created" in error_of(raised).message


def test_configurations_that_cannot_be(shop, prices, configure):
    other = shop.price(100)
    update = "features[subscription_update]"
    product = prices[0].product
    same = {"product": product, "currency": "usd", "unit_amount": 1}
    again = shop.client.v1.prices.create({**same, "recurring": {"interval": "month"}}).id
    twice = {"product": product, "prices": [prices[0].id, again]}
    for features, param in (
        ({"subscription_update": {"products": []}}, f"{update}[products]"),
        ({"subscription_update": {"default_allowed_updates": ""}},
         f"{update}[default_allowed_updates]"),
        ({"subscription_update": {"products": [{"product": product, "prices": [other]}]}},
         f"{update}[products][0][prices][0]"),
        ({"subscription_update": {"products": [twice]}}, f"{update}[products][0][prices]"),
        ({"subscription_update": {"products": [{"product": "prod_x", "prices": [other]}]}},
         f"{update}[products][0][product]"),
        ({"subscription_cancel": {"mode": "someday"}}, "features[subscription_cancel][mode]"),
        ({"customer_update": {"enabled": True, "allowed_updates": ""}},
         "features[customer_update][allowed_updates]"),
    ):  # fmt: skip
        with pytest.raises(stripe.InvalidRequestError) as raised:
            configure(**features)
        assert error_of(raised).param == param
    paused = {"subscription_pause": {"enabled": True}}
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.billing_portal.configurations.create({"features": paused})
    assert error_of(raised).param == "features[subscription_pause][enabled]"
    assert shop.client.v1.billing_portal.configurations.list().data == []


def test_a_session_and_its_first_page(shop, visitor, subscription, configure):
    id = configure()
    shop.news()
    session = shop.client.v1.billing_portal.sessions.create(
        {"customer": subscription.customer, "configuration": id, "return_url": BACK}
    )
    assert shop.news() == ["billing_portal.session.created"]
    assert (session.flow, session.return_url, session.configuration) == (None, BACK, id)
    page = visitor.get(urlsplit(session.url).path)
    assert page.status_code == 200
    text = page_text(page)
    for phrase in (
        "Current plan Pro $31.00 per month Renews on 15 February 2027 Update plan Cancel plan",
        "Visa •••• 4242 Expires 12/2030 Change card",
        "buyer@example.com Update details",
        "Invoices 15 January 2027 $31.00 Paid",
        "Return to",
    ):
        assert phrase in text
    assert f'href="{BACK}"' in page.text
    assert f"/pages/invoices/{subscription.latest_invoice}" in page.text
    assert "<script" not in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_what_the_configuration_leaves_out(shop, visitor, subscription, configure, enter):
    off = {"enabled": False}
    names = ("customer_update", "invoice_history", "payment_method_update",
             "subscription_cancel", "subscription_update")  # fmt: skip
    path = enter(configure(**dict.fromkeys(names, off)))
    text = page_text(visitor.get(path))
    for phrase in ("Update plan", "Cancel plan", "Change card", "Update details", "Invoices"):
        assert phrase not in text
    for page in (
        "/card",
        "/details",
        portal_path(subscription, "cancel"),
        portal_path(subscription, "plans"),
    ):
        assert visitor.get(path + page).status_code == 404
    assert visitor.post(path + portal_path(subscription, "cancel")).status_code == 404
    assert shop.subscription(subscription.id).cancel_at is None


def test_a_link_is_short_lived_and_for_one_customer(shop, visitor, subscription, enter):
    path = enter()
    assert visitor.get(path).status_code == 200
    other = shop.subscribe()
    for page in ("cancel", "plans"):
        assert visitor.get(path + portal_path(other, page)).status_code == 404
    assert visitor.post(path + portal_path(other, "cancel")).status_code == 404
    assert shop.subscription(other.id).cancel_at is None
    shop.later(seconds=3599)
    assert visitor.get(path).status_code == 200
    shop.later(seconds=3600)
    late = visitor.get(path)
    assert (late.status_code, "This link has expired" in page_text(late)) == (410, True)
    unopened = enter()
    shop.later(seconds=300)
    assert visitor.get(unopened).status_code == 410
    assert visitor.get("/pages/portal/test_guess").status_code == 404


def test_canceling_and_keeping(shop, visitor, subscription, enter):
    path = enter()
    asked = page_text(visitor.get(path + portal_path(subscription, "cancel")))
    assert "Pro stays yours until 15 February 2027 and is not renewed" in asked
    sent = {"feedback": "too_expensive", "comment": "Sorry"}
    answer = visitor.post(path + portal_path(subscription, "cancel"), data=sent)
    assert (answer.status_code, answer.location) == (303, f"{path}?done=canceled")
    assert shop.news() == ["customer.subscription.updated"]
    held = shop.subscription(subscription.id)
    assert (held.cancel_at, held.cancel_at_period_end) == (END, False)
    assert held.cancellation_details.to_dict() == {
        "comment": "Sorry",
        "feedback": "too_expensive",
        "reason": "cancellation_requested",
    }
    text = page_text(visitor.get(answer.location))
    assert "Your plan is canceled." in text
    assert "Cancels on 15 February 2027 Don’t cancel" in text
    assert visitor.get(path + portal_path(subscription, "cancel")).status_code == 404
    visitor.post(path + portal_path(subscription, "keep"))
    assert shop.subscription(subscription.id).cancel_at is None
    assert "Renews on" in page_text(visitor.get(path))


def test_canceling_at_once(shop, visitor, subscription, configure, enter):
    shop.later(10)
    cancel = {"mode": "immediately", "proration_behavior": "always_invoice"}
    path = enter(configure(subscription_cancel=cancel))
    assert "ends as soon as you confirm" in page_text(
        visitor.get(path + portal_path(subscription, "cancel"))
    )
    visitor.post(path + portal_path(subscription, "cancel"))
    assert shop.subscription(subscription.id).status == "canceled"
    assert newest(shop, subscription).total == -2100
    assert "You have no plan." in page_text(visitor.get(path))


def hidden(page):
    """The amounts' moment, as the page carries it."""
    return page.text.split('name="moment" value="')[1].split('"')[0]


def test_an_upgrade_costs_what_was_shown(shop, visitor, subscription, prices, enter):
    shop.later(seconds=10 * DAY + 77)
    path = enter()
    listed = page_text(visitor.get(path + portal_path(subscription, "plans")))
    for phrase in ("Pro CURRENT $31.00 / month", "Pro $62.00 / month", "Pro $10.00 / month"):
        assert phrase in listed
    chosen = {"price": prices[1].id, "quantity": "2"}
    page = visitor.get(path + portal_path(subscription, "confirm"), query_string=chosen)
    text = page_text(page)
    assert "From Pro $31.00 per month To 2 × Pro $124.00 per month Begins today" in text
    assert "Due today $63.00" in text
    assert shop.news() == []
    shop.later(seconds=60)
    sent = chosen | {"moment": hidden(page)}
    answer = visitor.post(path + portal_path(subscription, "confirm"), data=sent)
    assert answer.location == f"{path}?done=changed"
    assert (newest(shop, subscription).amount_paid, newest(shop, subscription).total) == (
        6300,
        6300,
    )
    item = shop.subscription(subscription.id)["items"].data[0]
    assert (item.price.id, item.quantity) == (prices[1].id, 2)
    assert "2 × Pro $124.00 per month" in page_text(visitor.get(path))


def test_a_choice_that_changes_nothing(shop, visitor, subscription, prices, enter):
    path = enter()
    for query in ({}, {"price": prices[0].id, "quantity": "1"}, {"price": shop.price()}):
        page = visitor.get(path + portal_path(subscription, "confirm"), query_string=query)
        assert (page.status_code, "Update your plan" in page_text(page)) == (422, True)
        assert 'role="alert"' in page.text


def test_amounts_that_are_too_old_are_shown_anew(shop, visitor, subscription, prices, enter):
    path = enter()
    for moment in (str(NOW - 901), str(NOW + 1), "x", ""):
        sent = {"price": prices[1].id, "moment": moment}
        again = visitor.post(path + portal_path(subscription, "confirm"), data=sent)
        assert (again.status_code, "confirm again" in page_text(again)) == (409, True)
    assert shop.news() == []


def test_a_downgrade_waits_for_the_renewal_and_can_be_undone(
    shop, visitor, subscription, prices, enter
):
    path = enter()
    sent = {"price": prices[2].id}
    page = visitor.get(path + portal_path(subscription, "confirm"), query_string=sent)
    text = page_text(page)
    assert "Begins 15 February 2027" in text
    assert "Due on 15 February 2027 $10.00" in text
    sent["moment"] = hidden(page)
    visitor.post(path + portal_path(subscription, "confirm"), data=sent)
    assert shop.news() == [
        "subscription_schedule.created",
        "customer.subscription.updated",
        "subscription_schedule.updated",
    ]
    text = page_text(visitor.get(path))
    assert "Changes to Pro on 15 February 2027 Keep current plan Cancel plan" in text
    assert "Update plan" not in text
    visitor.post(path + portal_path(subscription, "keep"))
    assert shop.subscription(subscription.id).schedule is None
    visitor.post(path + portal_path(subscription, "confirm"), data=sent)
    visitor.post(path + portal_path(subscription, "cancel"))
    held = shop.subscription(subscription.id)
    assert (held.schedule, held.cancel_at) == (None, END)
    visitor.post(path + portal_path(subscription, "keep"))
    visitor.post(path + portal_path(subscription, "confirm"), data=sent)
    shop.until(END + 3600)
    assert newest(shop, subscription).amount_paid == 1000


def test_an_upgrade_that_is_not_paid_does_not_happen(shop, visitor, subscription, prices, enter):
    shop.later(10)
    bad = shop.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": subscription.customer}
    )
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": bad.id})
    path = enter()
    sent = {"price": prices[1].id, "moment": str(NOW + 10 * DAY)}
    refused = visitor.post(path + portal_path(subscription, "confirm"), data=sent)
    assert refused.status_code == 402
    assert "Your card was declined." in page_text(refused)
    held = shop.subscription(subscription.id)
    assert (held["items"].data[0].price.id, held.pending_update) == (prices[0].id, None)
    assert newest(shop, subscription).status == "void"


@pytest.mark.parametrize("answer", ["complete", "fail"])
def test_an_upgrade_that_the_bank_asks_about(shop, visitor, subscription, prices, enter, answer):
    shop.later(10)
    card = shop.client.v1.payment_methods.attach(
        "pm_card_authenticationRequired", {"customer": subscription.customer}
    )
    shop.client.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})
    path = enter()
    sent = {"price": prices[1].id, "moment": str(NOW + 10 * DAY)}
    bank = visitor.post(path + portal_path(subscription, "confirm"), data=sent)
    assert bank.location.startswith("/pages/3ds/pi_")
    back = visitor.post(bank.location, data={"answer": answer})
    assert urlsplit(back.location).path == path + portal_path(subscription, "confirm")
    end = visitor.get(back.location.removeprefix("http://127.0.0.1:12111"))
    held = shop.subscription(subscription.id)
    if answer == "complete":
        assert end.location == f"{path}?done=changed"
        assert held["items"].data[0].price.id == prices[1].id
    else:
        assert "We could not confirm that it is you." in page_text(end)
        assert (held["items"].data[0].price.id, held.pending_update) == (prices[0].id, None)


def test_another_card(shop, visitor, subscription, enter):
    path = enter()
    assert visitor.get(f"{path}/card").status_code == 200
    wrong = visitor.post(f"{path}/card", data=CARD | {"cvc": "1"})
    assert (wrong.status_code, "Enter the 3 or 4 digits." in page_text(wrong)) == (422, True)
    declined = visitor.post(f"{path}/card", data=CARD | {"number": "4000000000000002"})
    assert (declined.status_code, "declined" in page_text(declined)) == (402, True)
    assert "4000000000000002" not in declined.text
    own = shop.subscription(subscription.id).default_payment_method
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
    customer = shop.client.v1.customers.retrieve(subscription.customer)
    method = customer.invoice_settings.default_payment_method
    assert shop.subscription(subscription.id).default_payment_method == own != method
    assert "Mastercard •••• 4444" in page_text(visitor.get(saved.location))
    shop.until(END + 3600)
    assert newest(shop, subscription).status == "paid"


def test_a_bank_account_is_named(shop, visitor, subscription, enter):
    method = shop.client.v1.payment_methods.attach(
        "pm_usBankAccount_success", {"customer": subscription.customer}
    )
    shop.client.v1.customers.update(
        subscription.customer, {"invoice_settings": {"default_payment_method": method.id}}
    )
    account = method.us_bank_account
    text = page_text(visitor.get(enter()))
    assert f"{account.bank_name} •••• {account.last4} Change card" in text


@pytest.mark.parametrize("answer", ["complete", "fail"])
def test_a_card_that_the_bank_asks_about(shop, visitor, subscription, enter, answer):
    path = enter()
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


def test_details(shop, visitor, subscription, enter):
    path = enter()
    assert "Phone" not in page_text(visitor.get(f"{path}/details"))
    wrong = visitor.post(f"{path}/details", data={"email": "x", "name": "Eve"})
    assert wrong.status_code == 422
    visitor.post(f"{path}/details", data={"email": "eve@example.com", "name": "Eve", "phone": "1"})
    customer = shop.client.v1.customers.retrieve(subscription.customer)
    assert (customer.email, customer.name, customer.phone) == ("eve@example.com", "Eve", None)


def test_flows_lead_to_one_page_and_on(shop, visitor, subscription, prices, enter):
    target = {"subscription": subscription.id}
    elsewhere = {"type": "redirect", "redirect": {"return_url": "https://shop.example/sorry"}}
    path = enter(
        flow_data={
            "type": "subscription_cancel",
            "subscription_cancel": target,
            "after_completion": elsewhere,
        }
    )
    assert visitor.get(path).location == path + portal_path(subscription, "cancel")
    for page in ("/card", "/details", portal_path(subscription, "plans")):
        assert visitor.get(path + page).status_code == 404
    done = visitor.post(path + portal_path(subscription, "cancel"))
    assert done.location == "https://shop.example/sorry"
    assert "Your changes are saved" in page_text(visitor.get(path))
    shop.client.v1.subscriptions.update(subscription.id, {"cancel_at": ""})

    thanks = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Merci"}}
    path = enter(flow_data={"type": "payment_method_update", "after_completion": thanks})
    assert visitor.get(path).location == f"{path}/card"
    done = visitor.post(f"{path}/card", data=CARD)
    assert "Merci" in page_text(visitor.get(done.location))
    assert visitor.get(f"{path}/details").status_code == 404

    path = enter(flow_data={"type": "subscription_update", "subscription_update": target})
    assert visitor.get(path).location == path + portal_path(subscription, "plans")
    item = {"id": subscription["items"].data[0].id, "price": prices[1].id, "quantity": 1}
    path = enter(
        flow_data={
            "type": "subscription_update_confirm",
            "subscription_update_confirm": target | {"items": [item]},
        }
    )
    asked = visitor.get(path).location
    assert asked == path + portal_path(subscription, "confirm")
    page = visitor.get(asked)
    assert "To Pro $62.00 per month" in page_text(page)
    sent = {"price": prices[2].id, "moment": hidden(page)}
    assert visitor.post(asked, data=sent).location == f"{path}?done=changed"
    assert shop.subscription(subscription.id)["items"].data[0].price.id == prices[1].id
    assert "Update plan" in page_text(visitor.get(path))


def test_flows_that_cannot_be(shop, subscription, configure, prices, enter):
    mine, other = {"subscription": subscription.id}, {"subscription": shop.subscribe().id}
    id = subscription["items"].data[0].id
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
        (asking({"id": "si_x", "price": prices[1].id}), f"flow_data[{confirm}][items][0][id]"),
        (asking({"id": id, "price": shop.price()}), f"flow_data[{confirm}][items][0][price]"),
        (asking({"id": id, "price": prices[0].id}), f"flow_data[{confirm}][items][0]"),
        (asking({"id": id}, {"id": id}), f"flow_data[{confirm}][items]"),
    ):  # fmt: skip
        with pytest.raises(stripe.InvalidRequestError) as raised:
            enter(flow_data=flow)
        assert error_of(raised).param == param
    closed = configure(subscription_cancel={"enabled": False})
    with pytest.raises(stripe.InvalidRequestError) as raised:
        enter(closed, flow_data={"type": "subscription_cancel", "subscription_cancel": mine})
    assert "is disabled" in error_of(raised).message
