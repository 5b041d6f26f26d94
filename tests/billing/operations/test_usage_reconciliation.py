"""Reconciliation compares Stripe's usage counts with our records within the read budget."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from billing.catalog import stripe_meters
from billing.models import Price, ReconcileRun, StripeCustomer, StripeMeter
from billing.operations import reconcile_kinds, reconciliation, usage_reconciliation
from billing.operations.reconcile_pass import ReconcilePass
from billing.operations.usage_reconciliation import UsagePage
from billing.stripe import budget
from billing.stripe.budget import Lane
from tests.factories.usage import MeterFactory
from tests.sandbox_stripe import Clock, SandboxStripe
from tests.shop import Shop
from usage.models import Record
from usage.models.record import Forwarding

Drain = Callable[[], None]
RATE = 40
"""Requests a second; a bucket of twenty, a third of them for interactive callers only."""


@pytest.fixture
def meter(shop: Shop) -> StripeMeter:
    new_meter = MeterFactory.create(project=shop.project, code="calls", is_forwarded=True)
    return stripe_meters.ensure(meter=new_meter, account=shop.account, at=timezone.now())


@pytest.fixture
def metered(shop: Shop, meter: StripeMeter) -> Price:
    """Three cents a call."""
    product = shop.product("Calls")
    row = Price.objects.create(
        project=shop.project,
        account=shop.account,
        product=product,
        type="recurring",
        currency="usd",
        unit_amount=3,
        interval="month",
        meter=meter.meter,
    )
    params: Any = {
        "product": product.stripe_id,
        "currency": "usd",
        "unit_amount": 3,
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.stripe_id},
        "metadata": {"tollgate_id": row.pk},
    }
    row.stripe_id = shop.stripe.v1.prices.create(params).id
    row.save(update_fields=["stripe_id"])
    return row


def send_meter_event(shop: Shop, meter: StripeMeter, buyer: StripeCustomer, value: int) -> None:
    payload = {"stripe_customer_id": str(buyer.stripe_id), "value": str(value)}
    event: Any = {"event_name": meter.event_name, "payload": payload}
    shop.stripe.v1.billing.meter_events.create(event)


def forwarded_record(shop: Shop, meter: StripeMeter, buyer: StripeCustomer, **fields: Any) -> None:
    """Five calls that Stripe was told of."""
    at = timezone.now()
    values: dict[str, Any] = {"forwarding": Forwarding.REPORTED, "forwarded_at": at, **fields}
    Record.objects.create(
        project=shop.project,
        id=f"rec_{Record.objects.across_projects().count()}",
        customer=buyer.customer,
        meter=meter.meter,
        value=5,
        occurred_at=at,
        recorded_at=at,
        **values,
    )


def page(shop: Shop) -> UsagePage:
    def fail(what: str, error: Exception) -> None:
        raise error

    return usage_reconciliation.compare_page(
        account=shop.account, at=timezone.now(), on_failure=fail
    )


def sell(shop: Shop, metered: Price, meter: StripeMeter, clock: Clock, *users: str) -> None:
    """Each uses five calls, a minute after the beginning, an hour ago."""
    buyers = [shop.buyer(user) for user in users]
    for buyer in buyers:
        shop.subscribe(buyer, metered)
    clock.advance(minutes=2)
    for buyer in buyers:
        send_meter_event(shop, meter, buyer, 5)
        forwarded_record(shop, meter, buyer)
    clock.advance(hours=1)


def test_a_page_costs_as_many_queries_as_one_item(
    shop: Shop, metered: Price, meter: StripeMeter, drain: Drain, clock: Clock
) -> None:
    counts = []
    for users in (["alice"], ["bob", "carol", "dave"]):
        sell(shop, metered, meter, clock, *users)
        drain()
        with CaptureQueriesContext(connection) as queries:
            usage_page = page(shop)
        assert usage_page.differences == []
        counts.append((usage_page.checked, len(queries)))
    assert [checked for checked, _ in counts] == [1, 4]
    assert counts[0][1] == counts[1][1] <= 6


def test_a_different_count_at_stripe_is_reported(
    shop: Shop, metered: Price, meter: StripeMeter, drain: Drain, clock: Clock
) -> None:
    sell(shop, metered, meter, clock, "alice", "bob")
    drain()
    bob = StripeCustomer.objects.for_project(shop.project).get(customer__user_id="bob")
    send_meter_event(shop, meter, bob, 7)
    clock.advance(hours=1)
    [difference] = page(shop).differences
    text = str(difference)
    assert text.startswith(f"usage of calls by bob ({bob.stripe_id}) since ")
    assert text.endswith(": 5 -> 12")
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("reconcile", stdout=out)
    assert "not repaired: check the usage that Stripe refused" in out.getvalue()


def test_unsent_usage_is_compared_in_the_next_pass(
    shop: Shop, metered: Price, meter: StripeMeter, drain: Drain, clock: Clock
) -> None:
    sell(shop, metered, meter, clock, "alice")
    drain()
    alice = StripeCustomer.objects.for_project(shop.project).get()
    forwarded_record(shop, meter, alice, forwarding=Forwarding.PENDING, forwarded_at=None)
    clock.advance(hours=1)
    assert page(shop).differences == []
    Record.objects.across_projects().update(forwarding=Forwarding.REFUSED)
    [difference] = page(shop).differences
    assert (difference.ours, difference.refused) == (10, 2)


def test_a_pass_walks_through_all_pages(
    shop: Shop,
    metered: Price,
    meter: StripeMeter,
    drain: Drain,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage_reconciliation, "PAGE", 2)
    sell(shop, metered, meter, clock, "alice", "bob", "carol")
    drain()
    first = page(shop)
    assert (first.checked, bool(first.after)) == (2, True)
    plan = ReconcilePass(purpose="test", at=timezone.now())
    reconciliation.begin(plan, [shop.account], laws=False)
    assert reconciliation.work_on(plan, [shop.account])
    assert ReconcileRun.objects.get(step="usage").compared == 3


def spend_all(shop: Shop) -> None:
    """Whoever waits for answers has used up what the account may be asked."""
    while budget.take(shop.account, Lane.INTERACTIVE) == 0:
        pass


def test_a_pass_waits_for_the_background_read_budget(
    shop: Shop, alice: StripeCustomer, stripe: SandboxStripe, settings: Settings
) -> None:
    """With nothing left at its beginning it goes on as the bucket fills, and after each of its
    objects somebody who waits for an answer is let through at once."""
    for number in range(30):
        stripe.v1.customers.create({"name": f"Nobody {number}"})
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=RATE)
    spend_all(shop)
    assert budget.take(shop.account, Lane.BACKGROUND) > 0
    interactive: list[float] = []
    plan = ReconcilePass(
        purpose="test",
        at=timezone.now(),
        tick=lambda: interactive.append(
            0.0 if len(interactive) % 10 else budget.take(shop.account, Lane.INTERACTIVE)
        ),
    )
    reconciliation.begin(plan, [shop.account], laws=False)
    assert reconciliation.work_on(plan, [shop.account])
    assert len(interactive) >= 31
    assert set(interactive) == {0.0}
    assert set(ReconcileRun.objects.values_list("phase", "attempts")) == {("finished", 0)}


def test_a_pass_without_budget_resumes_later(
    shop: Shop, alice: StripeCustomer, settings: Settings
) -> None:
    """It asks nothing, nothing of it counts as failed, and it loses no step."""
    usual = settings.BILLING
    settings.BILLING = replace(usual, stripe_test_reads=0.01)
    spend_all(shop)
    at = timezone.now()
    outcome = reconciliation.run_nightly(at=at)
    assert (outcome.found, outcome.failures) == (0, [])
    waiting = ReconcileRun.objects.filter(finished_at__isnull=True, account=shop.account)
    assert waiting.count() == len(reconcile_kinds.stripe_steps()) - 1  # no price is metered
    assert set(waiting.values_list("attempts", "leased_until")) == {(0, None)}
    settings.BILLING = usual
    assert reconciliation.run_nightly(at=at).found == 0  # not before a minute has passed
    ReconcileRun.objects.update(next_try_at=at - timedelta(minutes=1))
    later = reconciliation.run_nightly(at=at)
    assert (later.found, later.failures) == (1, [])
    assert not ReconcileRun.objects.filter(finished_at__isnull=True).exists()


def test_the_command_says_that_it_has_not_compared_everything(
    shop: Shop, alice: StripeCustomer, settings: Settings
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=0.01)
    spend_all(shop)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", "--dry-run", stdout=out)
    assert ended.value.code == 1
    assert "Not everything is compared yet: call it again." in out.getvalue()
