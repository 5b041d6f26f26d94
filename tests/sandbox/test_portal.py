"""The customer portal's API and pages change subscriptions as configured."""

from urllib.parse import urlsplit

import pytest
import stripe

from tests.sandbox.page_forms import page_text
from tests.sandbox.portal_pages import BACK, portal_path
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW


def test_portal_configurations_are_created_and_updated(shop, portal_prices, configure_portal):
    shop.news()
    id = configure_portal()
    portals = shop.client.v1.billing_portal
    assert not hasattr(portals.configurations.retrieve(id).features.subscription_update, "products")
    products = "features.subscription_update.products"
    configuration = portals.configurations.retrieve(id, {"expand": [products]})
    [listed] = portals.configurations.list({"expand": [f"data.{products}"]}).data
    assert listed.to_dict() == configuration.to_dict()
    assert (configuration.active, configuration.is_default, configuration.login_page.enabled) == (
        True,
        False,
        False,
    )
    cancel = configuration.features.subscription_cancel
    assert (cancel.mode, cancel.proration_behavior) == ("at_period_end", "none")
    offers = configuration.features.subscription_update.products
    assert [offer.prices for offer in offers] == [[price.id] for price in portal_prices]
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


def test_invalid_configurations_are_refused(shop, portal_prices, configure_portal):
    other = shop.price(100)
    update = "features[subscription_update]"
    product = portal_prices[0].product
    same = {"product": product, "currency": "usd", "unit_amount": 1}
    again = shop.client.v1.prices.create({**same, "recurring": {"interval": "month"}}).id
    twice = {"product": product, "prices": [portal_prices[0].id, again]}
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
            configure_portal(**features)
        assert error_of(raised).param == param
    paused = {"subscription_pause": {"enabled": True}}
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.billing_portal.configurations.create({"features": paused})
    assert error_of(raised).param == "features[subscription_pause][enabled]"
    assert shop.client.v1.billing_portal.configurations.list().data == []


def test_a_session_and_its_first_page(shop, visitor, portal_subscription, configure_portal):
    id = configure_portal()
    shop.news()
    session = shop.client.v1.billing_portal.sessions.create(
        {"customer": portal_subscription.customer, "configuration": id, "return_url": BACK}
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
    assert f"/pages/invoices/{portal_subscription.latest_invoice}" in page.text
    assert "<script" not in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_the_portal_hides_disabled_features(
    shop, visitor, portal_subscription, configure_portal, enter_portal
):
    off = {"enabled": False}
    names = ("customer_update", "invoice_history", "payment_method_update",
             "subscription_cancel", "subscription_update")  # fmt: skip
    path = enter_portal(configure_portal(**dict.fromkeys(names, off)))
    text = page_text(visitor.get(path))
    for phrase in ("Update plan", "Cancel plan", "Change card", "Update details", "Invoices"):
        assert phrase not in text
    for page in (
        "/card",
        "/details",
        portal_path(portal_subscription, "cancel"),
        portal_path(portal_subscription, "plans"),
    ):
        assert visitor.get(path + page).status_code == 404
    assert visitor.post(path + portal_path(portal_subscription, "cancel")).status_code == 404
    assert shop.subscription(portal_subscription.id).cancel_at is None


def test_a_link_is_short_lived_and_for_one_customer(
    shop, visitor, portal_subscription, enter_portal
):
    path = enter_portal()
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
    unopened = enter_portal()
    shop.later(seconds=300)
    assert visitor.get(unopened).status_code == 410
    assert visitor.get("/pages/portal/test_guess").status_code == 404
