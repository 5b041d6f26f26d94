"""What a reconciliation does about each class of differences is an operator's choice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import (
    DriftPolicy,
    DriftReport,
    Invoice,
    MissingObject,
    Payment,
    Price,
    StripeCustomer,
    Subscription,
)
from billing.models.drift_report import DriftClass, HealPolicy
from billing.operations import heal_policies, reconciliation
from billing.operations.heal_policies import NotHealable
from events.models import AuditEntry
from tests.billing.operations.reconcile_command import Drain, run
from tests.shop import Shop


def choose(drift_class: DriftClass, policy: HealPolicy | None) -> None:
    heal_policies.change(
        drift_class=drift_class,
        policy=policy,
        actor="someone",
        reason="A test.",
        at=timezone.now(),
    )


def reports(shop: Shop) -> dict[str, tuple[str, str]]:
    """Class and state of each report, by object."""
    rows = DriftReport.objects.for_project(shop.project)
    return {row.object_key: (row.drift_class, row.state) for row in rows}


def test_each_class_has_a_row_and_a_default(db: None) -> None:
    assert set(DriftPolicy.objects.values_list("id", flat=True)) == set(DriftClass.values)
    assert set(heal_policies.DEFAULTS) == set(DriftClass)
    for drift_class, policy in heal_policies.DEFAULTS.items():
        assert policy in heal_policies.allowed(drift_class)


def test_a_class_that_is_reported_is_not_repaired(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    """Stale rows are only reported, amounts are repaired; the next pass keeps one open report."""
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    Subscription.objects.for_project(shop.project).update(status="past_due")
    Payment.objects.for_project(shop.project).update(amount=1)
    choose(DriftClass.STALE, HealPolicy.REPORT)
    now = timezone.now()
    outcome = reconciliation.run_nightly(at=now)
    assert outcome.found == 2
    assert len(outcome.failures) == 1
    assert Subscription.objects.for_project(shop.project).get().status == "past_due"
    assert Payment.objects.for_project(shop.project).get().amount == 2900
    assert reports(shop)[stripe_id] == ("stale", "reported")
    reconciliation.run_nightly(at=now + timedelta(days=2))
    report = DriftReport.objects.for_project(shop.project).get(drift_class="stale")
    assert (report.first_found_at, report.last_found_at) == (now, now + timedelta(days=2))
    choose(DriftClass.STALE, None)
    reconciliation.run_nightly(at=now + timedelta(days=4))
    assert reports(shop)[stripe_id] == ("stale", "healed")
    assert Subscription.objects.for_project(shop.project).get().status == "active"
    changes = AuditEntry.objects.filter(action="drift_policy.change").order_by("pk")
    assert [entry.after for entry in changes] == [{"policy": "report"}, {"policy": "heal"}]


def test_a_deletable_object_that_is_parked_waits_for_a_person(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    """The price is not taken off sale, and the report stays open while it waits."""
    row = shop.price(monthly.product)
    drain()
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("price", str(row.stripe_id)))
    choose(DriftClass.MISSING_AT_STRIPE, HealPolicy.PARK)
    now = timezone.now()
    reconciliation.run_nightly(at=now)
    row.refresh_from_db()
    assert row.active
    assert reports(shop)[str(row.stripe_id)] == ("missing_at_stripe", "parked")
    missing = MissingObject.objects.for_project(shop.project).get()
    assert (missing.state, missing.reason) == ("waiting", "policy")
    reconciliation.run_nightly(at=now + timedelta(days=2))
    assert reports(shop)[str(row.stripe_id)] == ("missing_at_stripe", "parked")
    choose(DriftClass.MISSING_AT_STRIPE, HealPolicy.REPORT)


def test_a_deletable_object_that_is_only_reported_is_not_parked(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    row = shop.price(monthly.product)
    drain()
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("price", str(row.stripe_id)))
    choose(DriftClass.MISSING_AT_STRIPE, HealPolicy.REPORT)
    reconciliation.run_nightly(at=timezone.now())
    assert reports(shop)[str(row.stripe_id)] == ("missing_at_stripe", "reported")
    assert not MissingObject.objects.for_project(shop.project).exists()


def test_an_object_that_stripe_never_deletes_is_parked(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    with shop.stripe.world.transaction() as tx:
        tx.remove(tx.path_object("subscription", stripe_id))
    reconciliation.run_nightly(at=timezone.now())
    assert reports(shop)[stripe_id] == ("never_deleted_gone", "parked")
    assert MissingObject.objects.for_project(shop.project).get().state == "waiting"


def test_an_object_of_nobody_is_reported(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    """Our row of an invoice whose customer at Stripe is a stranger."""
    shop.subscribe(alice, monthly)
    drain()
    invoice = Invoice.objects.for_project(shop.project).get()
    stranger = shop.stripe.v1.customers.create({"name": "Nobody"})
    with shop.stripe.world.transaction() as tx:
        tx.path_object("invoice", str(invoice.stripe_id))["customer"] = stranger.id
    printed, code = run()
    assert code == 1
    assert f"invoice {invoice.stripe_id} ({invoice.pk}): belongs to nobody here" in printed
    assert reports(shop)[str(invoice.stripe_id)] == ("foreign", "reported")


def test_a_difference_that_ends_by_itself_is_closed(
    shop: Shop, alice: StripeCustomer, drain: Drain
) -> None:
    choose(DriftClass.STALE, HealPolicy.REPORT)
    now = timezone.now()
    reconciliation.run_nightly(at=now)
    assert reports(shop) == {alice.stripe_id: ("stale", "reported")}
    choose(DriftClass.STALE, None)
    drain()
    reconciliation.run_nightly(at=now + timedelta(days=2))
    report = DriftReport.objects.for_project(shop.project).get()
    assert (report.state, report.closed_at) == ("ended", now + timedelta(days=2))


@pytest.mark.parametrize("drift_class", sorted(heal_policies.NEVER_HEALED))
def test_what_only_a_person_can_know_is_never_healed(db: None, drift_class: DriftClass) -> None:
    with pytest.raises(NotHealable):
        choose(drift_class, HealPolicy.HEAL)
    assert heal_policies.current() == dict(heal_policies.DEFAULTS)
