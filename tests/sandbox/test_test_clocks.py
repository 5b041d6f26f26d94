"""Test clocks move time for their own customers only."""

from urllib.parse import urlsplit

import pytest
import stripe
from werkzeug.test import Client

from sandbox.app import SandboxApplication
from tests.sandbox.page_forms import page_text
from tests.sandbox.refusals import error_of
from tests.sandbox.shop import DAY, NOW

HOUR = 3600
START = NOW + 1000 * DAY
"""The clock's own time, far from the world's."""


@pytest.fixture
def clocks(client):
    return client.v1.test_helpers.test_clocks


@pytest.fixture
def clock(clocks):
    return clocks.create({"frozen_time": START, "name": "Story"})


@pytest.fixture
def customer(shop, clock):
    new_customer = shop.client.v1.customers.create(
        {"email": "ada@example.com", "test_clock": clock.id}
    )
    method = shop.client.v1.payment_methods.attach("pm_card_visa", {"customer": new_customer.id})
    return shop.client.v1.customers.update(
        new_customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )


def subscribe(shop, customer, **params):
    price = params.pop("price", None) or shop.price(3100)
    return shop.client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price}], **params}
    )


def invoices(shop, subscription):
    return shop.client.v1.invoices.list({"subscription": subscription.id}).data


def test_a_clock_is_made_and_listed(shop, clocks, clock):
    assert (clock.status, clock.frozen_time, clock.name) == ("ready", START, "Story")
    assert clock.deletes_after == NOW + 30 * DAY
    assert clocks.retrieve(clock.id).id == clock.id
    assert [each.id for each in clocks.list()] == [clock.id]
    assert shop.news() == ["test_helpers.test_clock.created"]


def test_what_belongs_to_the_clock_lives_at_its_time(shop, clocks, clock, customer):
    assert (customer.created, customer.test_clock) == (START, clock.id)
    subscription = subscribe(shop, customer)
    assert (subscription.created, subscription.test_clock) == (START, clock.id)
    (first,) = invoices(shop, subscription)
    assert (first.created, first.status_transitions.paid_at, first.test_clock) == (
        START,
        START,
        clock.id,
    )
    end = subscription["items"].data[0].current_period_end
    shop.news()
    answer = clocks.advance(clock.id, {"frozen_time": end + HOUR})
    assert (answer.status, answer.status_details.advancing.target_frozen_time) == (
        "advancing",
        end + HOUR,
    )
    news = shop.news()
    assert news[:3] == [
        "test_helpers.test_clock.advancing",
        "invoice.created",
        "customer.subscription.updated",
    ]
    assert news[-1] == "test_helpers.test_clock.ready"
    assert "invoice.paid" in news
    ready = clocks.retrieve(clock.id)
    assert (ready.status, ready.frozen_time) == ("ready", end + HOUR)
    renewal = invoices(shop, subscription)[0]
    assert (renewal.created, renewal.status_transitions.paid_at) == (end, end + HOUR)
    assert shop.world.clock.now() == NOW


def test_other_customers_keep_their_time(shop, clocks, clock, customer):
    subscription, other_subscription = subscribe(shop, customer), shop.subscribe(shop.price(1000))
    clocks.advance(clock.id, {"frozen_time": START + 40 * DAY})
    assert (len(invoices(shop, subscription)), len(invoices(shop, other_subscription))) == (2, 1)
    shop.later(40)
    assert (len(invoices(shop, subscription)), len(invoices(shop, other_subscription))) == (2, 2)
    assert clocks.retrieve(clock.id).frozen_time == START + 40 * DAY


def test_lists_leave_out_what_lives_by_a_clock(shop, clock, customer):
    subscription, other_subscription = subscribe(shop, customer), shop.subscribe()
    v1 = shop.client.v1
    assert [each.id for each in v1.customers.list()] == [other_subscription.customer]
    assert [each.id for each in v1.customers.list({"test_clock": clock.id})] == [customer.id]
    assert [each.id for each in v1.subscriptions.list()] == [other_subscription.id]
    for filter in ({"test_clock": clock.id}, {"customer": customer.id}):
        assert [each.id for each in v1.subscriptions.list(filter)] == [subscription.id]


def test_changes_previews_schedules_and_trials_at_the_clocks_time(shop, clocks, clock, customer):
    subscription = subscribe(shop, customer)
    clocks.advance(clock.id, {"frozen_time": START + 10 * DAY})
    item = subscription["items"].data[0]
    days = (item.current_period_end - START) // DAY
    details = {
        "items": [{"id": item.id, "quantity": 2}],
        "proration_behavior": "always_invoice",
        "proration_date": START + 10 * DAY,
    }
    invoice = shop.client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": details}
    )
    assert invoice.created == START + 10 * DAY
    shop.client.v1.subscriptions.update(subscription.id, details)
    new_invoice = invoices(shop, subscription)[0]
    assert (
        new_invoice.total
        == invoice.total
        == round(6200 * (days - 10) / days) - round(3100 * (days - 10) / days)
    )
    schedule = shop.client.v1.subscription_schedules.create({"from_subscription": subscription.id})
    assert (schedule.created, schedule.test_clock) == (START + 10 * DAY, clock.id)
    clocks.advance(clock.id, {"frozen_time": item.current_period_end + DAY})
    done = shop.client.v1.subscription_schedules.retrieve(schedule.id)
    assert (done.status, done.released_at) == ("released", item.current_period_end)
    trial = subscribe(shop, customer, trial_period_days=7)
    assert trial.trial_end == item.current_period_end + 8 * DAY
    clocks.advance(clock.id, {"frozen_time": trial.trial_end})
    assert shop.subscription(trial.id).status == "active"


def test_pages_are_at_the_clocks_time_too(shop, clocks, clock, customer):
    session = shop.session(shop.price(), customer=customer.id)
    assert session.expires_at == START + DAY
    assert shop.pay(session).status == "complete"
    done = shop.client.v1.checkout.sessions.retrieve(session.id)
    assert shop.subscription(str(done.subscription)).start_date == START
    lapsed = shop.session(shop.price(), customer=customer.id)
    clocks.advance(clock.id, {"frozen_time": START + DAY})
    assert shop.client.v1.checkout.sessions.retrieve(lapsed.id).status == "expired"
    configuration = shop.client.v1.billing_portal.configurations.create(
        {"features": {"subscription_cancel": {"enabled": True}}}
    )
    portal = shop.client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "configuration": configuration.id}
    )
    visitor = Client(SandboxApplication(shop.world))
    path = urlsplit(portal.url).path
    assert "Cancel plan" in page_text(visitor.get(path))
    visitor.post(f"{path}/subscriptions/{done.subscription}/cancel")
    current_subscription = shop.subscription(str(done.subscription))
    assert current_subscription.canceled_at == START + DAY
    assert (
        current_subscription.cancel_at == current_subscription["items"].data[0].current_period_end
    )


def test_pending_refunds_follow_the_test_clock(shop, clocks, clock, customer):
    method = shop.client.v1.payment_methods.attach(
        "pm_card_pendingRefund", {"customer": customer.id}
    )
    intent = shop.client.v1.payment_intents.create(
        {"amount": 900, "currency": "usd", "customer": customer.id, "confirm": True,
         "payment_method": method.id, "off_session": True}
    )  # fmt: skip
    refund = shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.created) == ("pending", START)
    shop.later(400)
    assert shop.client.v1.refunds.retrieve(refund.id).status == "pending"
    clocks.advance(clock.id, {"frozen_time": START + DAY})
    assert shop.client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_an_existing_customer_takes_a_clock(shop, clocks):
    id = shop.customer()
    clock = clocks.create({"frozen_time": START, "customer": id})
    assert shop.client.v1.customers.retrieve(id).test_clock == clock.id
    assert shop.news() == ["test_helpers.test_clock.created", "customer.updated"]
    for taken in (id, shop.subscribe().customer):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            clocks.create({"frozen_time": START, "customer": taken})
        assert error_of(raised).param == "customer"
    assert len(clocks.list().data) == 1


def test_a_test_clock_has_a_limit(shop, clocks, clock, customer):
    for target in (START, START - 1, START + 731 * DAY):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            clocks.advance(clock.id, {"frozen_time": target})
        assert error_of(raised).param == "frozen_time"
    subscribe(shop, customer, price=shop.price(100, "year"))
    subscribe(shop, customer, price=shop.price(100, "week"))
    with pytest.raises(stripe.InvalidRequestError):
        clocks.advance(clock.id, {"frozen_time": START + 14 * DAY + 1})
    clocks.advance(clock.id, {"frozen_time": START + 14 * DAY})
    assert clocks.retrieve(clock.id).frozen_time == START + 14 * DAY


def test_a_deleted_clock_takes_its_customers_along(shop, clocks, clock, customer):
    subscription = subscribe(shop, customer)
    shop.news()
    gone = clocks.delete(clock.id)
    assert gone.to_dict() == {"id": clock.id, "object": clock.object, "deleted": True}
    assert shop.news() == [
        "customer.subscription.deleted",
        "customer.deleted",
        "test_helpers.test_clock.deleted",
    ]
    assert shop.subscription(subscription.id).status == "canceled"
    shop.later(1000)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.customers.create({"test_clock": clock.id})
