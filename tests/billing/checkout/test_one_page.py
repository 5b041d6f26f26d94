"""A customer has at most one open page for a product, whatever happens in between.

Two pages could both be paid. Each test breaks off, or runs something else, at one point of opening
a page; what counts is what Stripe has in the end. ``RACE_ROUNDS`` asks for more rounds of the
parallel ones than the suite has time for.
"""

from collections.abc import Callable

import pytest
from django.utils import timezone

from billing.outbound import intents
from sandbox.errors import StripeFailure
from tests.billing.checkout.page_calls import (
    AFTER_ALL_TRIES,
    SESSIONS,
    live_subscriptions,
    once_at,
    open_page,
    page_statuses,
)
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import Clock

Drain = Callable[[], None]


def test_the_same_request_leads_to_the_same_page(
    tenant: Tenant, monthly_plan: Json, clock: Clock
) -> None:
    first = tenant.open(monthly_plan)
    assert (
        open_page(tenant, monthly_plan)
        == open_page(tenant, monthly_plan, "named")
        == (201, first["id"])
    )
    assert len(page_statuses(tenant)) == 1
    clock.advance(days=2)
    status, later = open_page(tenant, monthly_plan)
    assert (status, later != first["id"]) == (201, True)
    assert page_statuses(tenant) == ["expired", "open"]


def test_another_request_closes_the_earlier_page(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json, drain: Drain
) -> None:
    first = tenant.open(monthly_plan)
    for again in (yearly_plan, monthly_plan):
        second = tenant.open(again, quantity=2)
    assert page_statuses(tenant) == ["expired", "expired", "open"]
    assert tenant.api.get(f"/checkout/{first['id']}").json()["status"] == "expired"
    assert tenant.pay(second).status == "complete"
    drain()
    assert len(tenant.api.get("/subscriptions/alice").json()["data"]) == 1


def test_other_products_users_and_items_have_pages_of_their_own(
    tenant: Tenant, monthly_plan: Json, page_product: Json
) -> None:
    once, other = tenant.price(page_product, interval=None), tenant.price(tenant.product("Other"))
    for price, user in (
        (monthly_plan, "alice"),
        (once, "alice"),
        (other, "alice"),
        (monthly_plan, "bob"),
    ):
        assert open_page(tenant, price, user_id=user)[0] == 201
    assert page_statuses(tenant) == ["open"] * 4


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "error_after"])
def test_an_unfinished_page_is_finished_and_closed(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json, fault: str, clock: Clock
) -> None:
    """The first request was broken off; nobody knows whether Stripe has made its page."""
    tenant.stripe.fail(fault, method="POST", path=SESSIONS, times=AFTER_ALL_TRIES)
    assert open_page(tenant, monthly_plan)[0] == 503
    status, checkout_id = open_page(tenant, yearly_plan)
    if status == 503:  # an error inside Stripe: the list is waited for
        clock.advance(seconds=90)
        status, checkout_id = open_page(tenant, yearly_plan)
    assert status == 201
    assert page_statuses(tenant)[-1] == "open"
    assert page_statuses(tenant).count("open") == 1
    intents.finish_due(at=timezone.now())
    assert open_page(tenant, yearly_plan) == (201, checkout_id)
    assert page_statuses(tenant).count("open") == 1


def test_a_page_that_is_being_made_is_waited_for(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "MAX_WAIT_SECONDS", 0.1)
    with once_at(tenant, SESSIONS, lambda: open_page(tenant, yearly_plan)) as other:
        status, id = open_page(tenant, monthly_plan)
    assert other == [(503, "stripe-unavailable")]
    assert status == 201
    assert page_statuses(tenant) == ["open"]
    assert tenant.api.get(f"/checkout/{id}").json()["status"] == "open"


def test_the_buyer_pays_in_the_second_in_which_the_page_is_closed(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json
) -> None:
    first = tenant.open(monthly_plan)
    path = f"{first['stripe_id']}/expire"
    with once_at(tenant, path, lambda: tenant.pay(first).status) as paid:
        refused = open_page(tenant, yearly_plan)
    assert paid == ["complete"]
    assert refused == (409, "already-subscribed")
    assert (page_statuses(tenant), live_subscriptions(tenant)) == (["complete"], 1)


def test_a_buyer_who_pays_after_the_page_was_closed_is_not_charged(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json
) -> None:
    first = tenant.open(monthly_plan)

    def pay() -> None:
        with pytest.raises(StripeFailure, match="expired"):
            tenant.pay(first)

    with once_at(tenant, f"{first['stripe_id']}/expire", pay, after=True):
        assert open_page(tenant, yearly_plan)[0] == 201
    assert (page_statuses(tenant), live_subscriptions(tenant)) == (["expired", "open"], 0)


def test_no_second_page_opens_before_the_first_payment_is_known(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json
) -> None:
    """No event has come. While the subscription cannot be read there is no other page either."""
    first = tenant.open(monthly_plan)
    tenant.pay(first)
    (invoice,) = tenant.at_stripe("invoice")  # it brings the subscription
    path = f"/v1/invoices/{invoice['id']}"
    tenant.stripe.fail("timeout_before", method="GET", path=path, times=2 * AFTER_ALL_TRIES)
    assert [open_page(tenant, price)[0] for price in (yearly_plan, monthly_plan)] == [503, 503]
    for price in (yearly_plan, monthly_plan):
        assert open_page(tenant, price) == (409, "already-subscribed")
    assert (page_statuses(tenant), live_subscriptions(tenant)) == (["complete"], 1)
