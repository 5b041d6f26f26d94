"""Subscriptions are paused, resumed, ended with a credit, and their trials announced."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from billing.models import Subscription
from billing.subscriptions import trials
from common.times import rfc3339
from projects.models import Project
from sandbox.billing import billing_settings
from tests.billing import outbox_events
from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import Clock
from tests.shop import Shop

Drain = Callable[[], None]
CREATED, UPDATED = "subscription.created", "subscription.updated"
PAUSED, RESUMED = "subscription.paused", "subscription.resumed"
ENDING, CHANGED = "subscription.trial_ending", "entitlements.changed"


@pytest.fixture
def pro(tenant: Tenant, project: Project) -> Json:
    tenant.feature(project, "sso")
    return tenant.price(tenant.product("Pro", features=[{"feature": "sso"}]), amount=3000)


@pytest.fixture
def ada(tenant: Tenant, shop: Shop, clock: Clock) -> Subscriber:
    return Subscriber(tenant, shop, clock, "ada")


def decision(ada: Subscriber) -> tuple[bool, str]:
    query = {"user_id": ada.user_id, "feature": "sso"}
    body = ada.tenant.api.get("/entitlements/check", query=query).json()
    return body["allowed"], body["reason"]


def test_a_pause_takes_access_until_its_date(
    ada: Subscriber, pro: Json, project: Project, clock: Clock, drain: Drain
) -> None:
    ada.subscribe(pro)
    drain()
    until = clock.now + timedelta(days=20)
    paused = ada.pause(pro, resumes_at=rfc3339(until))
    assert paused["pause"] == {"behavior": "void", "resumes_at": rfc3339(until)}
    assert paused["status"] == "active"
    assert decision(ada) == (False, "not_entitled")
    drain()
    clock.advance(days=19)
    drain()
    assert decision(ada) == (False, "not_entitled")
    clock.advance(days=1, seconds=1)
    assert decision(ada) == (True, "entitled")
    drain()
    assert ada.show(pro)["pause"] is None
    assert outbox_events.types(project, "subscription.", "entitlements.") == [
        CREATED,
        CHANGED,
        PAUSED,
        CHANGED,
        RESUMED,
        CHANGED,
    ]
    clock.advance(days=13)
    drain()
    assert ada.tenant.at_stripe("invoice")[-1]["status"] == "paid"


def test_a_pause_without_a_date_gives_nothing(ada: Subscriber, pro: Json) -> None:
    ada.subscribe(pro)
    ada.pause(pro)
    assert decision(ada) == (False, "not_entitled")


def test_a_pause_without_a_date_is_resumed_by_hand(
    ada: Subscriber, pro: Json, project: Project, clock: Clock, drain: Drain
) -> None:
    ada.subscribe(pro)
    assert ada.tenant.api.post(ada.path(pro, "resume")).json()["code"] == "not-paused"
    ada.pause(pro)
    ada.pause(pro, resumes_at=rfc3339(clock.now + timedelta(days=2)))
    again = ada.pause(pro)
    assert again["pause"] == {"behavior": "void", "resumes_at": None}
    drain()
    resumed = ada.resume(pro)
    assert (resumed["pause"], decision(ada)) == (None, (True, "entitled"))
    drain()
    kinds = outbox_events.types(project, "subscription.")
    assert kinds == [CREATED, PAUSED, UPDATED, UPDATED, RESUMED]
    past = ada.tenant.api.post(ada.path(pro, "pause"), {"resumes_at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["code"]) == (422, "invalid")
    ada.tenant.api.delete(ada.path(pro), query={"when": "now"})
    for action in ("pause", "resume"):
        refused = ada.tenant.api.post(ada.path(pro, action))
        assert (refused.status_code, refused.json()["code"]) == (409, "subscription-ended")
    assert outbox_events.types(project, "subscription.") == [*kinds, "subscription.canceled"]


def test_keeping_invoices_as_drafts_is_no_pause(
    ada: Subscriber, pro: Json, project: Project, drain: Drain
) -> None:
    """Set at Stripe: ``keep_as_draft`` collects later, ``mark_uncollectible`` never."""
    stripe_id = ada.subscribe(pro)["stripe_id"]
    for behavior in ("keep_as_draft", "mark_uncollectible"):
        pause: Any = {"pause_collection": {"behavior": behavior}}
        ada.shop.stripe.v1.subscriptions.update(stripe_id, pause)
        drain()
        assert ada.show(pro)["pause"]["behavior"] == behavior
        assert decision(ada) == (True, "entitled")
    assert outbox_events.types(project, "subscription.") == [CREATED, UPDATED, UPDATED]


def test_the_end_of_a_trial_is_announced_once(
    ada: Subscriber, pro: Json, project: Project, clock: Clock, drain: Drain
) -> None:
    ada.subscribe(pro, trial_period_days=14)
    drain()
    clock.advance(days=10, hours=23)
    drain()
    assert trials.record_due_trial_endings(at=clock.now) == 0
    clock.advance(hours=1)
    assert (
        trials.record_due_trial_endings(at=clock.now),
        trials.record_due_trial_endings(at=clock.now),
    ) == (1, 0)
    drain()
    assert outbox_events.types(project, "subscription.") == [CREATED, ENDING]
    assert outbox_events.last(project, ENDING).data == ada.show(pro)
    later = rfc3339(clock.now + timedelta(days=20))
    seen = ada.preview(pro, trial_end=later)
    moved = ada.change(pro, trial_end=later)
    assert (seen["trial_ends_at"], moved["trial_ends_at"]) == (later, later)
    assert seen["bill"] == {**moved["bill"], "proration_date": seen["bill"]["proration_date"]}
    assert trials.record_due_trial_endings(at=clock.now) == 0
    clock.advance(days=17)
    drain()
    assert outbox_events.types(project, "subscription.") == [CREATED, ENDING, UPDATED, ENDING]
    seen = ada.preview(pro, trial_end="now")
    ended = ada.change(pro, trial_end="now")
    assert (seen["status"], ended["status"], decision(ada)) == (
        "active",
        "active",
        (True, "entitled"),
    )
    assert ended["bill"]["amount_due"] == seen["bill"]["amount_due"] == _usd(3000)
    assert ended["bill"]["next_invoice"] == seen["bill"]["next_invoice"]


def _usd(amount: int) -> Json:
    return {"amount": amount, "currency": "usd"}


def test_the_end_of_a_short_trial_is_announced_at_once(
    ada: Subscriber, pro: Json, project: Project, drain: Drain, django_assert_num_queries: Any
) -> None:
    ada.subscribe(pro, trial_period_days=2)
    drain()
    assert outbox_events.types(project, "subscription.") == [CREATED, ENDING]
    row = Subscription.objects.for_project(project).get()
    with django_assert_num_queries(1):
        assert trials.record_due_trial_endings(at=row.started_at) == 0


@pytest.mark.parametrize(
    ("behavior", "status", "events", "allowed"),
    [
        ("cancel", "canceled", ["subscription.canceled"], False),
        ("pause", "paused", [PAUSED], False),
        ("create_invoice", "past_due", ["subscription.past_due"], True),
    ],
)
def test_a_trial_without_a_card_ends(
    ada: Subscriber,
    pro: Json,
    project: Project,
    clock: Clock,
    drain: Drain,
    behavior: str,
    status: str,
    events: list[str],
    allowed: bool,
) -> None:
    stripe = ada.shop.stripe.v1
    customer = str(ada.row.stripe_id)
    for card in stripe.payment_methods.list({"customer": customer}).data:
        stripe.payment_methods.detach(card.id)
    end: Any = {"end_behavior": {"missing_payment_method": behavior}}
    ada.subscribe(pro, trial_period_days=7, trial_settings=end)
    drain()
    clock.advance(days=4, hours=1)
    trials.record_due_trial_endings(at=clock.now)
    clock.advance(days=3, hours=1)
    drain()
    subscription = ada.show(pro)
    assert (subscription["status"], decision(ada)[0]) == (status, allowed)
    assert outbox_events.types(project, "subscription.") == [CREATED, ENDING, *events]
    if behavior == "pause":
        method = stripe.payment_methods.attach("pm_card_visa", {"customer": customer})
        default: Any = {"invoice_settings": {"default_payment_method": method.id}}
        stripe.customers.update(customer, default)
        clock.advance(minutes=1)  # longer than an answer is cached
        assert ada.resume(pro)["status"] == "active"
        drain()
        assert (decision(ada), outbox_events.types(project, "subscription.")[-1]) == (
            (True, "entitled"),
            RESUMED,
        )


def test_canceled_now_the_rest_of_the_period_can_be_credited(
    ada: Subscriber, pro: Json, clock: Clock, drain: Drain
) -> None:
    ada.subscribe(pro, quantity=2)
    clock.advance(days=15)
    drain()
    late = ada.tenant.api.delete(ada.path(pro), query={"prorate": "true"})
    assert (late.status_code, late.json()["code"]) == (422, "invalid")
    query = {"when": "now", "prorate": "true"}
    assert ada.tenant.api.delete(ada.path(pro), query=query).json()["status"] == "canceled"
    drain()
    balance = ada.shop.stripe.v1.customers.retrieve(str(ada.row.stripe_id)).balance or 0
    assert -3200 < balance < -2800


def test_the_project_sets_the_grace_period_and_a_payment_ends_it(
    ada: Subscriber, pro: Json, project: Project, clock: Clock, drain: Drain
) -> None:
    """Past due with access for the project's days, without afterwards, then recovered."""
    project.grace_days = 5
    project.save()
    ada.subscribe(pro)
    drain()
    ada.shop.stripe.decline_payments(str(ada.row.stripe_id))
    clock.advance(days=32)
    drain()
    began = ada.show(pro)["items"][0]["period_start"]
    assert (ada.show(pro)["status"], decision(ada)) == ("past_due", (True, "grace"))
    clock.advance(days=4)
    assert decision(ada) == (False, "not_entitled")
    ada.shop.stripe.accept_payments(str(ada.row.stripe_id))
    clock.advance(days=8)
    drain()
    subscription = ada.show(pro)
    assert (subscription["status"], subscription["items"][0]["period_start"]) == ("active", began)
    assert decision(ada) == (True, "entitled")
    assert sorted(outbox_events.types(project, "subscription.")) == [
        CREATED,
        "subscription.past_due",
        "subscription.renewed",
        UPDATED,
    ]


@pytest.mark.parametrize(
    ("after", "status", "last"),
    [("cancel", "canceled", "subscription.canceled"), ("mark_unpaid", "unpaid", UPDATED)],
)
def test_a_renewal_that_is_never_paid_ends_access(
    ada: Subscriber,
    pro: Json,
    project: Project,
    clock: Clock,
    drain: Drain,
    after: str,
    status: str,
    last: str,
) -> None:
    with ada.shop.stripe.world.transaction() as tx:
        billing_settings.change_settings(tx, after_retries=after)
    ada.subscribe(pro)
    drain()
    ada.shop.stripe.decline_payments(str(ada.row.stripe_id))
    clock.advance(days=50)
    drain()
    assert (ada.show(pro)["status"], decision(ada)) == (status, (False, "not_entitled"))
    kinds = outbox_events.types(project, "subscription.")
    assert (kinds[0], kinds[-1]) == (CREATED, last)


def test_a_subscription_without_a_first_payment_gives_nothing(
    ada: Subscriber, pro: Json, project: Project, clock: Clock, drain: Drain
) -> None:
    shown = ada.subscribe(pro, payment_behavior="default_incomplete")
    drain()
    assert (shown["status"], decision(ada)) == ("incomplete", (False, "not_entitled"))
    assert ada.refused(pro, quantity=2) == (409, "subscription-not-running")
    clock.advance(hours=24)
    drain()
    assert ada.show(pro)["status"] == "incomplete_expired"
    assert outbox_events.types(project, "subscription.") == [CREATED, "subscription.canceled"]
    assert outbox_events.types(project, "entitlements.") == []
