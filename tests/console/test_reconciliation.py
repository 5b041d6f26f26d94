"""Operators start, pause and stop reconciliations, decide about differences, and pause chores."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from billing.models import DriftPolicy, DriftReport, Price, Reconciliation, StripeCustomer
from billing.models.drift_report import DriftClass, HealPolicy
from billing.operations import heal_policies, reconciliation_worker
from common import chore_pauses
from common.chore_pauses import paused_tasks
from events.models import AuditEntry
from tests.billing.operations.reconcile_command import Drain
from tests.console.dialogs import send, was_done
from tests.shop import Shop

PAGE = "admin:billing_reconciliation"
DRIFT = "admin:billing_driftreport"
POLICY = "admin:billing_driftpolicy"
CHORE = "admin:django_celery_beat_periodictask"


def run_now(client: Client, shop: Shop, **fields: object) -> Reconciliation:
    answer = send(client, reverse(f"{PAGE}_run_now"), account=shop.account.pk, **fields)
    assert was_done(answer), answer.content
    return Reconciliation.objects.latest("id")


def work() -> None:
    reconciliation_worker.run_due(at=timezone.now())


def act(client: Client, page: str, name: str, key: object, **fields: object) -> bool:
    return was_done(send(client, reverse(f"{page}_{name}", args=[key]), **fields))


def test_an_operator_runs_one_now(operator: Client, shop: Shop, alice: StripeCustomer) -> None:
    row = run_now(operator, shop, project=shop.project.pk, kinds=["customer"])
    assert "0 of 1 steps, 0 objects compared" in operator.get(reverse(f"{PAGE}_changelist")).text
    assert (row.project, row.kinds, row.dry_run) == (shop.project, ["customer"], False)
    work()
    page = operator.get(reverse(f"{PAGE}_change", args=[row.pk])).text
    assert "1 objects compared" in page
    assert "1 found, 1 healed, 0 parked" in page
    assert str(alice.stripe_id) in page
    assert AuditEntry.objects.get(action="reconciliation.start").actor.endswith("operator")
    second = send(operator, reverse(f"{PAGE}_run_now"), account="acc_unknown")
    assert not was_done(second)


def test_a_running_one_is_paused_resumed_and_stopped(operator: Client, shop: Shop) -> None:
    row = run_now(operator, shop)
    refused = send(operator, reverse(f"{PAGE}_run_now"), account=shop.account.pk)
    assert "is not over yet" in refused.text
    for name, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        assert act(operator, PAGE, name, row.pk)
        row.refresh_from_db()
        assert row.state == state
    assert (
        "This reconciliation is over."
        in send(operator, reverse(f"{PAGE}_pause", args=[row.pk])).text
    )
    work()
    actions = AuditEntry.objects.filter(subject=row.pk).order_by("pk")
    assert [entry.action.partition(".")[2] for entry in actions] == [
        "start",
        "pause",
        "resume",
        "stop",
    ]


def test_a_difference_is_left_as_it_is_until_it_changes(
    operator: Client, shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    """Dismissed: not healed, though the policy heals. Another value: healed."""
    shop.subscribe(alice, monthly)
    drain()
    monthly.product.name = "Drifted"
    monthly.product.save()
    run_now(operator, shop, dry_run="on", kinds=["product"])
    work()
    report = DriftReport.objects.for_project(shop.project).get()
    assert report.state == "reported"
    assert act(operator, DRIFT, "dismiss", report.pk)
    run_now(operator, shop, kinds=["product"])
    work()
    monthly.product.refresh_from_db()
    assert monthly.product.name == "Drifted"
    report.refresh_from_db()
    assert (report.state, report.decided_by != "policy") == ("dismissed", True)
    monthly.product.active = False
    monthly.product.save()
    run_now(operator, shop, kinds=["product"])
    work()
    monthly.product.refresh_from_db()
    assert (monthly.product.name, monthly.product.active) == ("Pro", True)
    report.refresh_from_db()
    assert report.state == "healed"


def test_a_difference_is_healed_by_hand(
    operator: Client, shop: Shop, alice: StripeCustomer
) -> None:
    run_now(operator, shop, dry_run="on", kinds=["customer"])
    work()
    report = DriftReport.objects.for_project(shop.project).get()
    page = operator.get(reverse(f"{DRIFT}_change", args=[report.pk])).text
    assert "not stored" in page
    assert "alice@example.com" not in page
    assert act(operator, DRIFT, "heal", report.pk)
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    report.refresh_from_db()
    assert (report.state, report.closed_at is None) == ("healed", False)
    again = send(operator, reverse(f"{DRIFT}_heal", args=[report.pk]))
    assert "Nothing differs any more" in again.text


def test_what_only_a_person_can_know_is_not_healed_by_hand(operator: Client, shop: Shop) -> None:
    now = timezone.now()
    report = DriftReport.objects.for_project(shop.project).create(
        kind="credit ledger",
        object_key="cgr_1",
        drift_class="ledger_differs",
        state="parked",
        first_found_at=now,
        last_found_at=now,
    )
    answer = send(operator, reverse(f"{DRIFT}_heal", args=[report.pk]))
    assert "not healed by reading again" in answer.text
    report.refresh_from_db()
    assert report.state == "parked"


def test_a_heal_policy_is_changed_and_restored(operator: Client) -> None:
    page = operator.get(reverse(f"{POLICY}_changelist")).text
    assert page.count("/change/") >= len(DriftClass)
    assert act(operator, POLICY, "change_policy", "stale", policy="report")
    assert heal_policies.current()[DriftClass.STALE] == HealPolicy.REPORT
    assert act(operator, POLICY, "change_policy", "stale", policy="")
    assert heal_policies.current() == dict(heal_policies.DEFAULTS)
    assert not act(operator, POLICY, "change_policy", "foreign", policy="heal")
    assert DriftPolicy.objects.get(pk="foreign").policy == ""


@pytest.fixture
def chores(db: None) -> dict[str, PeriodicTask]:
    chore_pauses.store_schedule(settings.CELERY_BEAT_SCHEDULE)
    paused_tasks.forget()
    return {row.task: row for row in PeriodicTask.objects.all()}


def test_a_chore_is_paused_and_resumed(operator: Client, chores: dict[str, PeriodicTask]) -> None:
    """The list and the overview say so; a chore that must always run says why."""
    chore = chores["billing.reconcile"]
    assert act(operator, CHORE, "pause", chore.pk)
    assert "billing.reconcile" in paused_tasks
    assert "The customer asked." in operator.get(reverse(f"{CHORE}_changelist")).text
    overview = operator.get("/admin/").text
    assert "paused" in overview
    health = operator.get("/health").json()["checks"]["chores"]
    assert "billing.reconcile is paused" in health["detail"]
    assert act(operator, CHORE, "resume", chore.pk)
    assert "billing.reconcile" not in paused_tasks
    always = chores["config.heartbeat"]
    refused = send(operator, reverse(f"{CHORE}_pause", args=[always.pk]))
    assert "without it nobody sees that they stand still" in refused.text
    assert list(
        AuditEntry.objects.filter(action__startswith="chore.")
        .order_by("pk")
        .values_list("action", "subject")
    ) == [("chore.pause", "chore:billing.reconcile"), ("chore.resume", "chore:billing.reconcile")]


def offered(client: Client, page: str, key: object, *names: str) -> list[str]:
    """Those of the actions that have a button on the row's page."""
    text = client.get(reverse(f"{page}_change", args=[key])).text
    return [name for name in names if reverse(f"{page}_{name}", args=[key]) in text]


def test_a_page_offers_what_the_state_allows(operator: Client, shop: Shop) -> None:
    row = run_now(operator, shop)
    actions = ("pause", "resume", "stop")
    assert offered(operator, PAGE, row.pk, *actions) == ["pause", "stop"]
    assert act(operator, PAGE, "pause", row.pk)
    assert offered(operator, PAGE, row.pk, *actions) == ["resume", "stop"]
    assert act(operator, PAGE, "stop", row.pk)
    assert offered(operator, PAGE, row.pk, *actions) == []


def test_a_chore_that_is_always_on_has_no_button(operator: Client) -> None:
    chore_pauses.store_schedule(settings.CELERY_BEAT_SCHEDULE)
    sync = PeriodicTask.objects.get(task="billing.sync")
    always = PeriodicTask.objects.filter(task__in=settings.UNPAUSABLE_TASKS).earliest("pk")
    assert offered(operator, CHORE, always.pk, "pause", "resume") == []
    assert offered(operator, CHORE, sync.pk, "pause", "resume") == ["pause"]
    assert act(operator, CHORE, "pause", sync.pk, reason="A migration of Stripe's.")
    assert offered(operator, CHORE, sync.pk, "pause", "resume") == ["resume"]
    page = operator.get(reverse(f"{CHORE}_change", args=[sync.pk])).text
    assert "operator: A migration of Stripe" in page
    assert "Short Description For This Task" not in page


def test_a_closed_difference_offers_nothing(operator: Client, shop: Shop) -> None:
    report = DriftReport.objects.for_project(shop.project).create(
        account=shop.account,
        kind="price",
        object_key="price_1",
        drift_class=DriftClass.STALE,
        state="reported",
        first_found_at=timezone.now(),
        last_found_at=timezone.now(),
    )
    rows = DriftReport.objects.for_project(shop.project)
    assert offered(operator, DRIFT, report.pk, "heal", "dismiss") == ["heal", "dismiss"]
    rows.update(drift_class=DriftClass.FOREIGN)
    assert offered(operator, DRIFT, report.pk, "heal", "dismiss") == ["dismiss"]
    rows.update(closed_at=timezone.now(), state="ended")
    assert offered(operator, DRIFT, report.pk, "heal", "dismiss") == []
