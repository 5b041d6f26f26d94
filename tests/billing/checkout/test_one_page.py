"""A customer has at most one open page for a product, whatever happens in between.

Two pages could both be paid. Each test breaks off, or runs something else, at one point of opening
a page; what counts is what Stripe has in the end. ``RACE_ROUNDS`` asks for more rounds of the
parallel ones than the suite has time for.
"""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from billing.checkout.sessions import create
from billing.models import Checkout, MissingObject, StripeIntent
from billing.outbound import intents
from billing.stripe.errors import StripeRefused
from projects.models import Project
from sandbox.errors import StripeFailure
from tests.api_client import ApiClient
from tests.billing.tenant import Json, Tenant, order
from tests.billing_fixtures import Clock
from tests.factories.projects import key_of

Drain = Callable[[], None]
SESSIONS = "/v1/checkout/sessions"
ROUNDS = int(os.environ.get("RACE_ROUNDS", "1"))
AFTER_ALL_TRIES = 3
"""The SDK's own tries of one request."""


@pytest.fixture
def product(tenant: Tenant) -> Json:
    return tenant.product()


@pytest.fixture
def monthly(tenant: Tenant, product: Json) -> Json:
    return tenant.price(product)


@pytest.fixture
def yearly(tenant: Tenant, product: Json) -> Json:
    return tenant.price(product, 29000, interval="year")


def open_page(tenant: Tenant, price: Json, name: str = "", **body: Any) -> tuple[int, str]:
    """The status, and the id of the page or the code of the refusal."""
    headers = {"Idempotency-Key": name} if name else {}
    answer = tenant.api.post("/checkout", order(price, **body), headers=headers)
    said = answer.json()
    return answer.status_code, said.get("id") or said["code"]


def page_statuses(tenant: Tenant) -> list[str]:
    """The states of all pages at Stripe, oldest first."""
    sessions = sorted(tenant.at_stripe("checkout.session"), key=lambda each: each["created"])
    return [each["status"] for each in sessions]


def live_subscriptions(tenant: Tenant) -> int:
    return sum(each["status"] != "canceled" for each in tenant.at_stripe("subscription"))


@contextmanager
def once_at(
    tenant: Tenant, path: str, act: Callable[[], Any], *, method: str = "POST", after: bool = False
) -> Iterator[list[Any]]:
    """Do something just before the first such request reaches Stripe, or just after."""
    transport, done = tenant.stripe.transport, list[Any]()
    send = transport.request

    def request(sent: str, url: str, *args: Any, **kwargs: Any) -> Any:
        is_it = not done and sent.upper() == method and url.split("?", maxsplit=1)[0].endswith(path)
        if not is_it:
            return send(sent, url, *args, **kwargs)
        done.append(None)
        answer = send(sent, url, *args, **kwargs) if after else None
        done[0] = act()
        return answer or send(sent, url, *args, **kwargs)

    transport.request = request  # type: ignore[method-assign]
    try:
        yield done
    finally:
        del transport.request
    assert done, f"{method} {path} was never sent."


def test_the_same_request_leads_to_the_same_page(
    tenant: Tenant, monthly: Json, clock: Clock
) -> None:
    first = tenant.open(monthly)
    assert open_page(tenant, monthly) == open_page(tenant, monthly, "named") == (201, first["id"])
    assert len(page_statuses(tenant)) == 1
    clock.advance(days=2)
    status, later = open_page(tenant, monthly)
    assert (status, later != first["id"]) == (201, True)
    assert page_statuses(tenant) == ["expired", "open"]


def test_another_request_closes_the_earlier_page(
    tenant: Tenant, monthly: Json, yearly: Json, drain: Drain
) -> None:
    first = tenant.open(monthly)
    for again in (yearly, monthly):
        second = tenant.open(again, quantity=2)
    assert page_statuses(tenant) == ["expired", "expired", "open"]
    assert tenant.api.get(f"/checkout/{first['id']}").json()["status"] == "expired"
    assert tenant.pay(second).status == "complete"
    drain()
    assert len(tenant.api.get("/subscriptions/alice").json()["data"]) == 1


def test_other_products_users_and_items_have_pages_of_their_own(
    tenant: Tenant, monthly: Json, product: Json
) -> None:
    once, other = tenant.price(product, interval=None), tenant.price(tenant.product("Other"))
    for price, user in ((monthly, "alice"), (once, "alice"), (other, "alice"), (monthly, "bob")):
        assert open_page(tenant, price, user_id=user)[0] == 201
    assert page_statuses(tenant) == ["open"] * 4


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "error_after"])
def test_an_unfinished_page_is_finished_and_closed(
    tenant: Tenant, monthly: Json, yearly: Json, fault: str, clock: Clock
) -> None:
    """The first request was broken off; nobody knows whether Stripe has made its page."""
    tenant.stripe.fail(fault, method="POST", path=SESSIONS, times=AFTER_ALL_TRIES)
    assert open_page(tenant, monthly)[0] == 503
    status, said = open_page(tenant, yearly)
    if status == 503:  # an error inside Stripe: the list is waited for
        clock.advance(seconds=90)
        status, said = open_page(tenant, yearly)
    assert status == 201
    assert page_statuses(tenant)[-1] == "open"
    assert page_statuses(tenant).count("open") == 1
    intents.finish_due(at=timezone.now())
    assert open_page(tenant, yearly) == (201, said)
    assert page_statuses(tenant).count("open") == 1


def test_a_page_that_is_being_made_is_waited_for(
    tenant: Tenant, monthly: Json, yearly: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "MAX_WAIT_SECONDS", 0.1)
    with once_at(tenant, SESSIONS, lambda: open_page(tenant, yearly)) as other:
        status, id = open_page(tenant, monthly)
    assert other == [(503, "stripe-unavailable")]
    assert status == 201
    assert page_statuses(tenant) == ["open"]
    assert tenant.api.get(f"/checkout/{id}").json()["status"] == "open"


def test_a_request_that_lost_its_lease_opens_no_page(
    tenant: Tenant, monthly: Json, yearly: Json
) -> None:
    """Its turn ran out before its request left: another request made the page, closed it, and
    opened its own. What arrives late at Stripe opens nothing."""

    def meanwhile() -> tuple[int, str]:
        StripeIntent.objects.across_projects().filter(operation="checkout_session.create").update(
            leased_until=timezone.now() - timedelta(seconds=1)
        )
        return open_page(tenant, yearly)

    with once_at(tenant, SESSIONS, meanwhile) as other:
        late = open_page(tenant, monthly)
    assert other[0][0] == 201
    assert late == (409, "checkout-not-open")
    assert page_statuses(tenant) == ["expired", "open"]


def test_a_page_that_stripe_refuses_blocks_no_later_page(
    tenant: Tenant, monthly: Json, yearly: Json
) -> None:
    tenant.stripe.fail("timeout_before", method="POST", path=SESSIONS, times=AFTER_ALL_TRIES)
    assert open_page(tenant, monthly)[0] == 503
    stale = Checkout.objects.across_projects().get()
    tenant.stripe.v1.prices.update(monthly["stripe_id"], {"active": False})
    assert open_page(tenant, yearly)[0] == 201
    tenant.stripe.v1.prices.update(monthly["stripe_id"], {"active": True})
    with pytest.raises(StripeRefused):  # whoever slept since then makes none either
        create(checkout=stale, at=timezone.now())
    assert page_statuses(tenant) == ["open"]
    assert Checkout.objects.across_projects().count() == 1


def test_the_buyer_pays_in_the_second_in_which_the_page_is_closed(
    tenant: Tenant, monthly: Json, yearly: Json
) -> None:
    first = tenant.open(monthly)
    path = f"{first['stripe_id']}/expire"
    with once_at(tenant, path, lambda: tenant.pay(first).status) as paid:
        refused = open_page(tenant, yearly)
    assert paid == ["complete"]
    assert refused == (409, "already-subscribed")
    assert (page_statuses(tenant), live_subscriptions(tenant)) == (["complete"], 1)


def test_a_buyer_who_pays_after_the_page_was_closed_is_not_charged(
    tenant: Tenant, monthly: Json, yearly: Json
) -> None:
    first = tenant.open(monthly)

    def pay() -> None:
        with pytest.raises(StripeFailure, match="expired"):
            tenant.pay(first)

    with once_at(tenant, f"{first['stripe_id']}/expire", pay, after=True):
        assert open_page(tenant, yearly)[0] == 201
    assert (page_statuses(tenant), live_subscriptions(tenant)) == (["expired", "open"], 0)


def test_no_second_page_opens_before_the_first_payment_is_known(
    tenant: Tenant, monthly: Json, yearly: Json
) -> None:
    """No event has come. While the subscription cannot be read there is no other page either."""
    first = tenant.open(monthly)
    tenant.pay(first)
    (subscription,) = tenant.at_stripe("subscription")
    path = f"/v1/subscriptions/{subscription['id']}"
    tenant.stripe.fail("timeout_before", method="GET", path=path, times=2 * AFTER_ALL_TRIES)
    assert [open_page(tenant, price)[0] for price in (yearly, monthly)] == [503, 503]
    for price in (yearly, monthly):
        assert open_page(tenant, price) == (409, "already-subscribed")
    assert (page_statuses(tenant), live_subscriptions(tenant)) == (["complete"], 1)


def test_a_page_is_closed_by_one_request_at_a_time(
    tenant: Tenant, monthly: Json, yearly: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe has closed it, our row does not say so yet: nobody else opens a page before."""
    monkeypatch.setattr(intents, "MAX_WAIT_SECONDS", 0.1)
    first = tenant.open(monthly)
    path = f"{first['stripe_id']}/expire"
    with once_at(tenant, path, lambda: open_page(tenant, monthly, quantity=3), after=True) as other:
        assert open_page(tenant, yearly)[0] == 201
    assert other == [(503, "stripe-unavailable")]
    assert page_statuses(tenant) == ["expired", "open"]


@pytest.mark.parametrize("point", ["expire", "read"])
def test_a_crash_after_closing_the_earlier_page_leaves_one_page(
    tenant: Tenant, monthly: Json, yearly: Json, point: str
) -> None:
    first = tenant.open(monthly)
    session = f"{SESSIONS}/{first['stripe_id']}"
    if point == "expire":
        plan = {"method": "POST", "path": f"{session}/expire"}
        tenant.stripe.fail("timeout_after", times=AFTER_ALL_TRIES, **plan)
    else:
        plan = {"method": "GET", "path": session}
        tenant.stripe.fail("timeout_before", times=AFTER_ALL_TRIES, **plan)
    assert open_page(tenant, yearly)[0] == 503
    assert page_statuses(tenant) == ["expired"]
    assert open_page(tenant, yearly)[0] == 201
    assert page_statuses(tenant) == ["expired", "open"]


def test_a_page_that_stripe_does_not_know_waits_for_a_person(
    tenant: Tenant, monthly: Json, yearly: Json, project: Project
) -> None:
    """Stripe keeps sessions for ever: a 404 says that the key is wrong, not that the page is over.
    Another page beside it could be paid twice."""
    first = tenant.open(monthly)
    rows = Checkout.objects.for_project(project).filter(pk=first["id"])
    rows.update(stripe_id="cs_test_gone")
    assert open_page(tenant, yearly) == (409, "stripe-object-vanished")
    assert rows.get().status == "open"
    missing = MissingObject.objects.for_project(project).get()
    assert (missing.stripe_id, missing.state, missing.reason) == (
        "cs_test_gone",
        "waiting",
        "never_deleted",
    )


def in_parallel(project: Project, bodies: list[tuple[Json, str]]) -> list[Any]:
    """All of these requests at once; their answers."""
    key = key_of(project)

    def send(asked: tuple[Json, str]) -> Any:
        body, name = asked
        try:
            headers = {"Idempotency-Key": name} if name else {}
            return ApiClient(key).post("/checkout", body, headers=headers)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_twenty_parallel_requests_open_one_page(
    tenant: Tenant, project: Project, monthly: Json, yearly: Json, seed: int
) -> None:
    """Either price, with and without a key: never two open pages, and who is told of a page that
    is open then can pay on it. However many of all pages are tried, one subscription begins."""
    chosen = random.Random(seed)
    asked = [
        (order(chosen.choice([monthly, yearly])), chosen.choice(["", f"order-{number}"]))
        for number in range(20)
    ]
    answers = in_parallel(project, asked)
    told = {each.status_code for each in answers}
    assert told <= {201, 409, 503}
    assert {each.json()["code"] for each in answers if each.status_code == 409} <= {
        "checkout-not-open"
    }
    assert all("Retry-After" in each.headers for each in answers if each.status_code == 503)
    assert page_statuses(tenant).count("open") <= 1
    settled = tenant.open(monthly)
    assert page_statuses(tenant).count("open") == 1
    tried = [each.json() for each in answers if each.status_code == 201] + [settled]
    assert len(tried) > 1
    for page in tried:
        with suppress(StripeFailure):
            tenant.pay({"url": page["url"] or page["stripe_id"]})
    assert live_subscriptions(tenant) == 1
    assert len(tenant.at_stripe("customer")) == 1
    rows = Checkout.objects.for_project(project)
    assert rows.filter(status__in=["open", "opening"]).count() <= 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_twenty_requests_during_a_payment_make_one_subscription(
    tenant: Tenant, project: Project, monthly: Json, yearly: Json, seed: int
) -> None:
    """Whoever gets a page pays on it at once, in the middle of the others' requests."""
    chosen, key = random.Random(seed), key_of(project)
    bodies = [order(chosen.choice([monthly, yearly])) for _ in range(20)]

    def buy(body: Json) -> int:
        try:
            answer = ApiClient(key).post("/checkout", body)
            if answer.status_code == 201:
                with suppress(StripeFailure):
                    tenant.pay(answer.json())
            status: int = answer.status_code
            return status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(buy, bodies))
    assert set(answers) <= {201, 409, 503}
    if not live_subscriptions(tenant):
        tenant.pay(tenant.open(monthly))
    assert live_subscriptions(tenant) == 1
    assert open_page(tenant, yearly) == (409, "already-subscribed")
    assert page_statuses(tenant).count("open") == 0
