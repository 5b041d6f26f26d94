"""The portal's pages cancel, upgrade and downgrade a subscription as configured."""

from urllib.parse import urlsplit

import pytest

from tests.sandbox.page_forms import page_text
from tests.sandbox.portal_pages import END, hidden, newest, portal_path
from tests.sandbox.shop import DAY, NOW


def test_a_subscription_is_canceled_and_kept(shop, visitor, portal_subscription, enter_portal):
    path = enter_portal()
    cancel_text = page_text(visitor.get(path + portal_path(portal_subscription, "cancel")))
    assert "Pro stays yours until 15 February 2027 and is not renewed" in cancel_text
    sent = {"feedback": "too_expensive", "comment": "Sorry"}
    answer = visitor.post(path + portal_path(portal_subscription, "cancel"), data=sent)
    assert (answer.status_code, answer.location) == (303, f"{path}?done=canceled")
    assert shop.news() == ["customer.subscription.updated"]
    current_subscription = shop.subscription(portal_subscription.id)
    assert (current_subscription.cancel_at, current_subscription.cancel_at_period_end) == (
        END,
        False,
    )
    assert current_subscription.cancellation_details.to_dict() == {
        "comment": "Sorry",
        "feedback": "too_expensive",
        "reason": "cancellation_requested",
    }
    text = page_text(visitor.get(answer.location))
    assert "Your plan is canceled." in text
    assert "Cancels on 15 February 2027 Don’t cancel" in text
    assert visitor.get(path + portal_path(portal_subscription, "cancel")).status_code == 404
    visitor.post(path + portal_path(portal_subscription, "keep"))
    assert shop.subscription(portal_subscription.id).cancel_at is None
    assert "Renews on" in page_text(visitor.get(path))


def test_the_portal_cancels_immediately_if_configured(
    shop, visitor, portal_subscription, configure_portal, enter_portal
):
    shop.later(10)
    cancel = {"mode": "immediately", "proration_behavior": "always_invoice"}
    path = enter_portal(configure_portal(subscription_cancel=cancel))
    assert "ends as soon as you confirm" in page_text(
        visitor.get(path + portal_path(portal_subscription, "cancel"))
    )
    visitor.post(path + portal_path(portal_subscription, "cancel"))
    assert shop.subscription(portal_subscription.id).status == "canceled"
    assert newest(shop, portal_subscription).total == -2100
    assert "You have no plan." in page_text(visitor.get(path))


def test_an_upgrade_costs_what_was_shown(
    shop, visitor, portal_subscription, portal_prices, enter_portal
):
    shop.later(seconds=10 * DAY + 77)
    path = enter_portal()
    listed = page_text(visitor.get(path + portal_path(portal_subscription, "plans")))
    for phrase in ("Pro CURRENT $31.00 / month", "Pro $62.00 / month", "Pro $10.00 / month"):
        assert phrase in listed
    chosen = {"price": portal_prices[1].id, "quantity": "2"}
    page = visitor.get(path + portal_path(portal_subscription, "confirm"), query_string=chosen)
    text = page_text(page)
    assert "From Pro $31.00 per month To 2 × Pro $124.00 per month Begins today" in text
    assert "Due today $63.00" in text
    assert shop.news() == []
    shop.later(seconds=60)
    sent = chosen | {"moment": hidden(page)}
    answer = visitor.post(path + portal_path(portal_subscription, "confirm"), data=sent)
    assert answer.location == f"{path}?done=changed"
    assert (
        newest(shop, portal_subscription).amount_paid,
        newest(shop, portal_subscription).total,
    ) == (
        6300,
        6300,
    )
    item = shop.subscription(portal_subscription.id)["items"].data[0]
    assert (item.price.id, item.quantity) == (portal_prices[1].id, 2)
    assert "2 × Pro $124.00 per month" in page_text(visitor.get(path))


def test_choosing_the_current_plan_changes_nothing(
    shop, visitor, portal_subscription, portal_prices, enter_portal
):
    path = enter_portal()
    for query in ({}, {"price": portal_prices[0].id, "quantity": "1"}, {"price": shop.price()}):
        page = visitor.get(path + portal_path(portal_subscription, "confirm"), query_string=query)
        assert (page.status_code, "Update your plan" in page_text(page)) == (422, True)
        assert 'role="alert"' in page.text


def test_amounts_that_are_too_old_are_shown_anew(
    shop, visitor, portal_subscription, portal_prices, enter_portal
):
    path = enter_portal()
    for moment in (str(NOW - 901), str(NOW + 1), "x", ""):
        sent = {"price": portal_prices[1].id, "moment": moment}
        again = visitor.post(path + portal_path(portal_subscription, "confirm"), data=sent)
        assert (again.status_code, "confirm again" in page_text(again)) == (409, True)
    assert shop.news() == []


def test_a_downgrade_waits_for_the_renewal_and_can_be_undone(
    shop, visitor, portal_subscription, portal_prices, enter_portal
):
    path = enter_portal()
    sent = {"price": portal_prices[2].id}
    page = visitor.get(path + portal_path(portal_subscription, "confirm"), query_string=sent)
    text = page_text(page)
    assert "Begins 15 February 2027" in text
    assert "Due on 15 February 2027 $10.00" in text
    sent["moment"] = hidden(page)
    visitor.post(path + portal_path(portal_subscription, "confirm"), data=sent)
    assert shop.news() == [
        "subscription_schedule.created",
        "customer.subscription.updated",
        "subscription_schedule.updated",
    ]
    text = page_text(visitor.get(path))
    assert "Changes to Pro on 15 February 2027 Keep current plan Cancel plan" in text
    assert "Update plan" not in text
    visitor.post(path + portal_path(portal_subscription, "keep"))
    assert shop.subscription(portal_subscription.id).schedule is None
    visitor.post(path + portal_path(portal_subscription, "confirm"), data=sent)
    visitor.post(path + portal_path(portal_subscription, "cancel"))
    current_subscription = shop.subscription(portal_subscription.id)
    assert (current_subscription.schedule, current_subscription.cancel_at) == (None, END)
    visitor.post(path + portal_path(portal_subscription, "keep"))
    visitor.post(path + portal_path(portal_subscription, "confirm"), data=sent)
    shop.until(END + 3600)
    assert newest(shop, portal_subscription).amount_paid == 1000


def test_an_upgrade_that_is_not_paid_does_not_happen(
    shop, visitor, portal_subscription, portal_prices, enter_portal
):
    shop.later(10)
    bad = shop.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": portal_subscription.customer}
    )
    shop.client.v1.subscriptions.update(portal_subscription.id, {"default_payment_method": bad.id})
    path = enter_portal()
    sent = {"price": portal_prices[1].id, "moment": str(NOW + 10 * DAY)}
    refused = visitor.post(path + portal_path(portal_subscription, "confirm"), data=sent)
    assert refused.status_code == 402
    assert "Your card was declined." in page_text(refused)
    current_subscription = shop.subscription(portal_subscription.id)
    assert (
        current_subscription["items"].data[0].price.id,
        current_subscription.pending_update,
    ) == (portal_prices[0].id, None)
    assert newest(shop, portal_subscription).status == "void"


@pytest.mark.parametrize("answer", ["complete", "fail"])
def test_an_upgrade_that_the_bank_asks_about(
    shop, visitor, portal_subscription, portal_prices, enter_portal, answer
):
    shop.later(10)
    card = shop.client.v1.payment_methods.attach(
        "pm_card_authenticationRequired", {"customer": portal_subscription.customer}
    )
    shop.client.v1.subscriptions.update(portal_subscription.id, {"default_payment_method": card.id})
    path = enter_portal()
    sent = {"price": portal_prices[1].id, "moment": str(NOW + 10 * DAY)}
    bank = visitor.post(path + portal_path(portal_subscription, "confirm"), data=sent)
    assert bank.location.startswith("/pages/3ds/pi_")
    back = visitor.post(bank.location, data={"answer": answer})
    assert urlsplit(back.location).path == path + portal_path(portal_subscription, "confirm")
    end = visitor.get(back.location.removeprefix("http://127.0.0.1:12111"))
    current_subscription = shop.subscription(portal_subscription.id)
    if answer == "complete":
        assert end.location == f"{path}?done=changed"
        assert current_subscription["items"].data[0].price.id == portal_prices[1].id
    else:
        assert "We could not confirm that it is you." in page_text(end)
        assert (
            current_subscription["items"].data[0].price.id,
            current_subscription.pending_update,
        ) == (portal_prices[0].id, None)
