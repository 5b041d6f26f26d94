"""Reconciliation compares portals and meters at Stripe with our settings every night."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.catalog import stripe_meters
from billing.models import Price, ReconcileRun, StripeCustomer, StripeMeter
from billing.models.portal import PortalConfiguration
from billing.operations import reconcile_runs, reconcile_steps, reconciliation
from billing.operations.reconcile_pass import ReconcilePass
from billing.portal import service as portal
from tests.factories.usage import MeterFactory
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

Drain = Callable[[], None]


def reconcile(*arguments: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(str(ended.code))
    return out.getvalue(), 0


@pytest.fixture
def configuration(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> PortalConfiguration:
    """The portal that a visit of a subscriber has made."""
    shop.subscribe(alice, monthly)
    drain()
    visit(shop)
    return PortalConfiguration.objects.for_project(shop.project).get()


def visit(shop: Shop) -> None:
    portal.open_session(
        project=shop.project,
        user_id="alice",
        return_url="",
        flow=None,
        request=str(timezone.now()),
        at=timezone.now(),
    )


@pytest.fixture
def meter(shop: Shop) -> StripeMeter:
    return make_meter(shop, "requests")


def make_meter(shop: Shop, code: str) -> StripeMeter:
    meter = MeterFactory.create(project=shop.project, code=code)
    return stripe_meters.ensure(meter=meter, account=shop.account, at=timezone.now())


def at_stripe(shop: Shop, configuration: PortalConfiguration) -> dict[str, Any]:
    with shop.stripe.world.transaction() as tx:
        stripe_object = tx.path_object("billing_portal.configuration", str(configuration.stripe_id))
        return {name: stripe_object[name] for name in ("active", "default_return_url", "features")}


@pytest.mark.parametrize(
    ("edited", "named"),
    [
        (
            {"features": {"subscription_cancel": {"mode": "immediately"}}},
            "features.subscription_cancel.mode: immediately at Stripe, at_period_end here",
        ),
        (
            {
                "features": {
                    "subscription_update": {"default_allowed_updates": ["price", "promotion_code"]}
                }
            },
            "['price', 'promotion_code'] at Stripe, ['price', 'quantity'] here",
        ),
        ({"features": {"invoice_history": {"enabled": False}}}, "features.invoice_history.enabled"),
        ({"default_return_url": "https://evil.example.com"}, "default_return_url"),
        ({"active": False}, "active: False at Stripe, True here"),
    ],
)
def test_a_portal_that_was_edited_is_set_up_again(
    shop: Shop, configuration: PortalConfiguration, edited: Any, named: str
) -> None:
    before = at_stripe(shop, configuration)
    shop.stripe.v1.billing_portal.configurations.update(str(configuration.stripe_id), edited)
    after = at_stripe(shop, configuration)
    assert after != before
    printed, code = reconcile("--dry-run")
    assert code == 1
    assert f"portal configuration {configuration.stripe_id} ({configuration.pk}): " in printed
    assert named in printed
    assert at_stripe(shop, configuration) == after
    printed, code = reconcile()
    assert (code, ", 1 difference(s), 1 repaired." in printed) == (0, True), printed
    assert at_stripe(shop, configuration) == before
    printed, code = reconcile()
    assert (code, ", 0 difference(s), 0 repaired." in printed) == (0, True), printed


def test_products_that_were_added_to_a_portal_are_taken_out_again(
    shop: Shop, configuration: PortalConfiguration
) -> None:
    other = shop.price(shop.product("Not for sale"), amount=1)
    before = at_stripe(shop, configuration)
    offers = [{"product": other.product.stripe_id, "prices": [other.stripe_id]}]
    update: Any = {"features": {"subscription_update": {"products": offers}}}
    shop.stripe.v1.billing_portal.configurations.update(str(configuration.stripe_id), update)
    assert at_stripe(shop, configuration) != before
    printed, code = reconcile()
    assert (code, "features.subscription_update.products: " in printed) == (0, True), printed
    assert at_stripe(shop, configuration) == before


def test_a_setting_switched_off_here_is_switched_off_at_stripe(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    nothing = {"cancellation": "never", "plan_changes": False, "payment_methods": False}
    portal.configure(project=shop.project, changes=nothing, actor="t", at=timezone.now())
    visit(shop)
    row = PortalConfiguration.objects.for_project(shop.project).get()
    before = at_stripe(shop, row)
    cancel: Any = {"features": {"subscription_cancel": {"enabled": True}}}
    shop.stripe.v1.billing_portal.configurations.update(str(row.stripe_id), cancel)
    printed, code = reconcile()
    assert (code, "features.subscription_cancel.enabled: True at Stripe" in printed) == (0, True)
    assert at_stripe(shop, row) == before


def test_a_portal_whose_content_is_not_known_is_completed_by_the_next_visit(
    shop: Shop, configuration: PortalConfiguration
) -> None:
    """Rows from before it was kept."""
    rows = PortalConfiguration.objects.for_project(shop.project)
    content = configuration.content
    rows.update(content={})
    off: Any = {"features": {"invoice_history": {"enabled": False}}}
    shop.stripe.v1.billing_portal.configurations.update(str(configuration.stripe_id), off)
    assert ", 0 difference(s)" in reconcile("--dry-run")[0]
    visit(shop)
    assert rows.get().content == content
    assert ", 1 difference(s), 1 repaired" in reconcile()[0]


def test_a_portal_unknown_to_stripe_is_reported_to_operators(
    shop: Shop, configuration: PortalConfiguration
) -> None:
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("billing_portal.configuration", str(configuration.stripe_id)))
    printed, code = reconcile()
    assert code == 1
    assert f"portal configuration {configuration.stripe_id} ({configuration.pk}): gone" in printed
    assert "not repaired: Stripe does not have it" in printed


def test_a_deactivated_meter_is_reported_to_operators(shop: Shop, meter: StripeMeter) -> None:
    printed, code = reconcile()
    assert (code, ", 0 difference(s), 0 repaired." in printed) == (0, True), printed
    shop.stripe.v1.billing.meters.deactivate(meter.stripe_id)
    difference = f"meter {meter.stripe_id} ({meter.pk}): status: inactive at Stripe, active here"
    for arguments in (["--dry-run"], []):
        printed, code = reconcile(*arguments)
        assert (code, difference in printed) == (1, True), printed
    assert "not repaired: Stripe counts no usage for it" in printed
    shop.stripe.v1.billing.meters.reactivate(meter.stripe_id)
    assert reconcile()[1] == 0


def test_an_archived_meter_may_be_switched_off(shop: Shop, meter: StripeMeter) -> None:
    meter.meter.archived_at = timezone.now()
    meter.meter.save(update_fields=["archived_at"])
    shop.stripe.v1.billing.meters.deactivate(meter.stripe_id)
    assert reconcile()[1] == 0


def test_a_refused_list_ends_only_its_step(shop: Shop, meter: StripeMeter) -> None:
    shop.stripe.fail("error_before", method="GET", path="/v1/billing/meters", times=3)
    printed, code = reconcile()
    assert (code, "1 failed" in printed) == (1, True), printed
    assert ReconcileRun.objects.get(step="portal configuration").phase == "finished"


class Crash(BaseException):
    """The process dies here."""


def test_a_step_resumes_where_a_worker_died(shop: Shop, stripe: SandboxStripe) -> None:
    """Of 130 meters the first page of a hundred is not read again, and none is missed."""
    for number in range(130):
        make_meter(shop, f"meter-{number}")
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 110:
            raise Crash

    plan = ReconcilePass(purpose="test", at=timezone.now(), tick=tick)
    reconcile_runs.begin(purpose="test", account=shop.account, steps=["meter"], at=plan.at)
    with pytest.raises(Crash):
        reconciliation.work_on(plan, [shop.account])
    run = ReconcileRun.objects.get(step="meter")
    assert (run.compared, run.phase, bool(run.after)) == (100, "listing", True)
    assert run.sightings.count() == 100
    ReconcileRun.objects.update(leased_until=None)
    assert reconciliation.work_on(plan, [shop.account])
    run.refresh_from_db()
    assert (run.compared, run.phase, run.sightings.count()) == (130, "finished", 0)
    assert len(ticks) == 110 + 30


def test_a_page_of_meters_costs_as_many_queries_as_one(shop: Shop) -> None:
    counts = []
    for round_number in range(3):
        make_meter(shop, f"meter-{round_number}")
        plan = ReconcilePass(purpose=f"test {round_number}", at=timezone.now())
        reconcile_runs.begin(
            purpose=plan.purpose, account=shop.account, steps=["meter"], at=plan.at
        )
        run = reconcile_runs.claim(purpose=plan.purpose, accounts=[shop.account], order=["meter"])
        assert run is not None
        with CaptureQueriesContext(connection) as queries:
            assert reconcile_steps.process_page(run, plan=plan)
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 8
