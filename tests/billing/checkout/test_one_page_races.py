"""Crashes, lost leases and parallel requests while a page opens leave one page."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from billing.checkout.sessions import create
from billing.models import Checkout, MissingObject, StripeIntent
from billing.outbound import intents
from billing.stripe.errors import StripeRefused
from projects.models import Project
from sandbox.errors import StripeFailure
from tests.api_client import ApiClient
from tests.billing.checkout.page_calls import (
    AFTER_ALL_TRIES,
    SESSIONS,
    live_subscriptions,
    once_at,
    open_page,
    page_statuses,
)
from tests.billing.tenant import Json, Tenant, order
from tests.factories.projects import key_of
from tests.threads import run_in_a_thread

ROUNDS = int(os.environ.get("RACE_ROUNDS", "1"))


def test_a_request_that_lost_its_lease_opens_no_page(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json
) -> None:
    """Its turn ran out before its request left: another request made the page, closed it, and
    opened its own. What arrives late at Stripe opens nothing."""

    def meanwhile() -> tuple[int, str]:
        StripeIntent.objects.across_projects().filter(operation="checkout_session.create").update(
            leased_until=timezone.now() - timedelta(seconds=1)
        )
        return open_page(tenant, yearly_plan)

    with once_at(tenant, SESSIONS, meanwhile) as other:
        late = open_page(tenant, monthly_plan)
    assert other[0][0] == 201
    assert late == (409, "checkout-not-open")
    assert page_statuses(tenant) == ["expired", "open"]


def test_a_page_that_stripe_refuses_blocks_no_later_page(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json
) -> None:
    tenant.stripe.fail("timeout_before", method="POST", path=SESSIONS, times=AFTER_ALL_TRIES)
    assert open_page(tenant, monthly_plan)[0] == 503
    stale = Checkout.objects.across_projects().get()
    tenant.stripe.v1.prices.update(monthly_plan["stripe_id"], {"active": False})
    assert open_page(tenant, yearly_plan)[0] == 201
    tenant.stripe.v1.prices.update(monthly_plan["stripe_id"], {"active": True})
    with pytest.raises(StripeRefused):  # whoever slept since then makes none either
        create(checkout=stale, at=timezone.now())
    assert page_statuses(tenant) == ["open"]
    assert Checkout.objects.across_projects().count() == 1


def test_a_page_is_closed_by_one_request_at_a_time(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe has closed it, our row does not say so yet: nobody else opens a page before."""
    monkeypatch.setattr(intents, "MAX_WAIT_SECONDS", 0.1)
    first = tenant.open(monthly_plan)
    path = f"{first['stripe_id']}/expire"
    with once_at(
        tenant, path, lambda: open_page(tenant, monthly_plan, quantity=3), after=True
    ) as other:
        assert open_page(tenant, yearly_plan)[0] == 201
    assert other == [(503, "stripe-unavailable")]
    assert page_statuses(tenant) == ["expired", "open"]


@pytest.mark.parametrize("point", ["expire", "read"])
def test_a_crash_after_closing_the_earlier_page_leaves_one_page(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json, point: str
) -> None:
    first = tenant.open(monthly_plan)
    session = f"{SESSIONS}/{first['stripe_id']}"
    if point == "expire":
        plan = {"method": "POST", "path": f"{session}/expire"}
        tenant.stripe.fail("timeout_after", times=AFTER_ALL_TRIES, **plan)
    else:
        plan = {"method": "GET", "path": session}
        tenant.stripe.fail("timeout_before", times=AFTER_ALL_TRIES, **plan)
    assert open_page(tenant, yearly_plan)[0] == 503
    assert page_statuses(tenant) == ["expired"]
    assert open_page(tenant, yearly_plan)[0] == 201
    assert page_statuses(tenant) == ["expired", "open"]


def test_a_page_that_stripe_does_not_know_waits_for_a_person(
    tenant: Tenant, monthly_plan: Json, yearly_plan: Json, project: Project
) -> None:
    """Stripe keeps sessions for ever: a 404 says that the key is wrong, not that the page is over.
    Another page beside it could be paid twice."""
    first = tenant.open(monthly_plan)
    rows = Checkout.objects.for_project(project).filter(pk=first["id"])
    rows.update(stripe_id="cs_test_gone")
    assert open_page(tenant, yearly_plan) == (409, "stripe-object-vanished")
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

    def send(request: tuple[Json, str]) -> Any:
        body, name = request
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
    tenant: Tenant, project: Project, monthly_plan: Json, yearly_plan: Json, seed: int
) -> None:
    """Either price, with and without a key: never two open pages, and who is told of a page that
    is open then can pay on it. However many of all pages are tried, one subscription begins."""
    chosen = random.Random(seed)
    requests = [
        (order(chosen.choice([monthly_plan, yearly_plan])), chosen.choice(["", f"order-{number}"]))
        for number in range(20)
    ]
    answers = in_parallel(project, requests)
    statuses = {each.status_code for each in answers}
    assert statuses <= {201, 409, 503}
    assert {each.json()["code"] for each in answers if each.status_code == 409} <= {
        "checkout-not-open"
    }
    assert all("Retry-After" in each.headers for each in answers if each.status_code == 503)
    assert page_statuses(tenant).count("open") <= 1
    settled = tenant.open(monthly_plan)
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
def test_a_page_that_is_paid_before_its_request_is_answered_is_not_returned(
    tenant: Tenant, monthly_plan: Json
) -> None:
    """Another request for the same order gets the same page, and its buyer pays first."""
    paid: list[str] = []

    def pay_and_sync() -> None:
        row = Checkout.objects.across_projects().filter(status="open").first()
        if row is not None:
            paid.append(row.pk)
            tenant.pay({"url": row.url})
            tenant.sync({"id": row.pk})
        connections.close_all()

    def pay_first(execute: Any, sql: str, *args: Any) -> Any:
        if not paid and sql.startswith("SELECT") and 'FROM "billing_checkout" ' in sql:
            run_in_a_thread(pay_and_sync)
        return execute(sql, *args)

    with connection.execute_wrapper(pay_first):
        answer = open_page(tenant, monthly_plan)
    assert (len(paid), answer) == (1, (409, "already-subscribed"))
    assert live_subscriptions(tenant) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_twenty_requests_during_a_payment_make_one_subscription(
    tenant: Tenant, project: Project, monthly_plan: Json, yearly_plan: Json, seed: int
) -> None:
    """Whoever gets a page pays on it at once, in the middle of the others' requests."""
    chosen, key = random.Random(seed), key_of(project)
    bodies = [order(chosen.choice([monthly_plan, yearly_plan])) for _ in range(20)]

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
        tenant.pay(tenant.open(monthly_plan))
    assert live_subscriptions(tenant) == 1
    assert open_page(tenant, yearly_plan) == (409, "already-subscribed")
    assert page_statuses(tenant).count("open") == 0
