"""``/admin/reconcile`` and ``/admin/drift``: start, watch and stop, behind the wall of tenants."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import (
    DriftReport,
    Payment,
    Price,
    ReconcileRun,
    Reconciliation,
    StripeCustomer,
    Subscription,
)
from billing.operations import reconciliation_worker
from events.models import AuditEntry
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.operations.reconcile_command import Drain
from tests.factories.projects import key_of
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

REASON = {"reason": "After a restore."}


def work() -> None:
    """Let a worker work until nothing is due."""
    reconciliation_worker.run_due(at=timezone.now())


def start(client: ApiClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/admin/reconcile", {**REASON, **body})
    assert answer.status_code == 201, answer.content
    result: dict[str, Any] = answer.json()
    return result


def drift(client: ApiClient, **query: str) -> list[dict[str, Any]]:
    answer = client.get("/admin/drift", query=query)
    assert answer.status_code == 200, answer.content
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def test_a_project_reconciles_its_own_objects(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain, api: ApiClient
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    Subscription.objects.for_project(shop.project).update(status="past_due")
    Payment.objects.for_project(shop.project).update(amount=1)
    row = start(api)
    assert (row["state"], row["account"], row["project"]) == (
        "running",
        shop.account.pk,
        shop.project.pk,
    )
    assert row["progress"]["finished_steps"] == 0
    work()
    body = api.get(f"/admin/reconcile/{row['id']}").json()
    assert body["state"] == "finished"
    assert (body["progress"]["found"], body["progress"]["healed"]) == (2, 2)
    assert body["progress"]["steps"] == body["progress"]["finished_steps"] == len(body["steps"])
    assert Subscription.objects.for_project(shop.project).get().status == "active"
    [report] = drift(api, drift_class="stale")
    assert (report["state"], report["object"], report["reconciliation"]) == (
        "healed",
        stripe_id,
        row["id"],
    )
    assert report["changes"] == [
        {"field": "status", "ours": "past_due", "stripe": "active", "redacted": False}
    ]
    [report] = drift(api, drift_class="amount_differs", state="healed", kind="payment_intent")
    assert report["changes"] == [
        {"field": "amount", "ours": "1", "stripe": "2900", "redacted": False}
    ]
    assert report["decided_by"] == "policy"
    assert AuditEntry.objects.get(action="reconciliation.start").reason == "After a restore."


def test_a_dry_run_reports_without_personal_data(
    shop: Shop, alice: StripeCustomer, api: ApiClient
) -> None:
    """Alice's address at Stripe is in no report; only that it differs."""
    row = start(api, dry_run=True, kinds=["customer"])
    work()
    [report] = drift(api, reconciliation=row["id"])
    assert (report["state"], report["drift_class"]) == ("reported", "stale")
    email = next(change for change in report["changes"] if change["field"] == "email")
    assert email == {"field": "email", "ours": None, "stripe": None, "redacted": True}
    assert "alice" not in str(DriftReport.objects.for_project(shop.project).values().get())
    alice.refresh_from_db()
    assert alice.email == ""
    body = api.get(f"/admin/reconcile/{row['id']}").json()
    assert [step["kind"] for step in body["steps"]] == ["customer"]
    assert (body["progress"]["found"], body["progress"]["healed"]) == (1, 0)


def test_a_second_one_of_the_same_account_is_refused(
    shop: Shop, api: ApiClient, platform_api: ApiClient
) -> None:
    row = start(api)
    for client, body in ((api, {}), (platform_api, {"account": shop.account.pk})):
        answer = client.post("/admin/reconcile", {**REASON, **body})
        assert (answer.status_code, answer.json()["code"]) == (409, "reconcile-running")
        assert answer.json()["running"] == row["id"]
    assert api.post(f"/admin/reconcile/{row['id']}/stop", REASON).json()["state"] == "stopped"
    assert not ReconcileRun.objects.filter(finished_at__isnull=True).exists()
    again = api.post(f"/admin/reconcile/{row['id']}/stop", REASON)
    assert (again.status_code, again.json()["code"]) == (409, "reconcile-over")
    answer = api.post("/admin/reconcile", REASON)
    assert (answer.status_code, answer.json()["code"]) == (409, "reconcile-too-soon")
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert start(platform_api, account=shop.account.pk)["project"] is None


def test_projects_of_a_shared_account_learn_nothing_about_each_other(
    shop: Shop,
    alice: StripeCustomer,
    other_project: Project,
    stripe: SandboxStripe,
    api: ApiClient,
    other_api: ApiClient,
) -> None:
    """Each waits for its turn, counts the objects and shows the reports of its own project."""
    other = Shop(stripe, other_project, shop.account)
    bobs = [other.buyer(f"bob-{number}") for number in range(3)]
    other_run, own_run = start(other_api), start(api)
    assert other_run["id"] != own_run["id"]
    for client, row in ((api, other_run), (other_api, own_run)):
        assert client.get(f"/admin/reconcile/{row['id']}").status_code == 404
        assert client.post(f"/admin/reconcile/{row['id']}/stop", REASON).status_code == 404
        assert [each["id"] for each in client.get("/admin/reconcile").json()["data"]] == [
            own_run["id"] if client is api else other_run["id"]
        ]
    work()
    body = api.get(f"/admin/reconcile/{own_run['id']}").json()
    customers = next(step for step in body["steps"] if step["kind"] == "customer")
    assert (body["state"], customers["compared"]) == ("finished", 1)
    assert [report["object"] for report in drift(api)] == [alice.stripe_id]
    assert {report["object"] for report in drift(other_api)} == {bob.stripe_id for bob in bobs}
    assert drift(api, project=other_project.pk) == []
    assert drift(api, reconciliation=other_run["id"]) == []


def test_a_projects_key_names_no_other_account_or_project(
    shop: Shop, other_project: Project, api: ApiClient
) -> None:
    for body in (
        {"project": other_project.pk},
        {"project": "prj_" + "0" * 26},
        {"account": "acc_" + "0" * 26},
    ):
        answer = api.post("/admin/reconcile", {**REASON, **body})
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert not Reconciliation.objects.exists()


def test_a_key_needs_the_scope(shop: Shop, project: Project) -> None:
    client = ApiClient(key_of(project, scopes=["admin:read", "admin:grant"]))
    assert client.post("/admin/reconcile", REASON).status_code == 403
    assert client.get("/admin/drift").status_code == 403


def test_the_platform_sees_all_and_names_a_scope(
    shop: Shop, alice: StripeCustomer, api: ApiClient, platform_api: ApiClient
) -> None:
    refused = platform_api.post("/admin/reconcile", REASON)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/account")
    laws = {"account": shop.account.pk, "kinds": ["usage_totals"]}
    assert platform_api.post("/admin/reconcile", {**REASON, **laws}).status_code == 422
    row = start(platform_api, project=shop.project.pk)
    work()
    assert [report["object"] for report in drift(platform_api)] == [alice.stripe_id]
    seen = api.get(f"/admin/reconcile/{row['id']}").json()
    assert seen["started_by"].startswith("key:")


def test_lists_are_pages_of_a_constant_number_of_queries(
    shop: Shop, api: ApiClient, platform_api: ApiClient
) -> None:
    now = timezone.now()
    for number in range(4):
        row = Reconciliation.objects.create(
            purpose=f"test {number}",
            account=shop.account,
            project=shop.project,
            started_by="console",
            reason="An operator's own reason.",
            started_at=now,
            finished_at=now,
        )
        DriftReport.objects.create(
            project=shop.project,
            account=shop.account,
            run=row,
            kind="price",
            object_key=f"price_{number}",
            drift_class="stale",
            state="healed",
            first_found_at=now - timedelta(days=number),
            last_found_at=now,
            closed_at=now,
            decided_by="someone@example.com",
        )
    platform_api.get("/admin/drift")  # the first use of a key is recorded
    for path in ("/admin/reconcile", "/admin/drift"):
        counts = []
        for limit in ("1", "4"):
            with CaptureQueriesContext(connection) as queries:
                answer = platform_api.get(path, query={"limit": limit})
            counts.append(len(queries))
            assert len(answer.json()["data"]) == int(limit)
        assert counts[0] == counts[1] <= 4, path
    first = api.get("/admin/drift", query={"limit": "3"}).json()
    assert (len(first["data"]), first["has_more"]) == (3, True)
    [last] = api.get(first["next"]).json()["data"]
    assert (last["object"], last["decided_by"]) == ("price_0", "operator")
    [row_body] = api.get("/admin/reconcile", query={"limit": "1"}).json()["data"]
    assert (row_body["started_by"], row_body["reason"]) == ("operator", "")
    old = drift(api, found_before=(now - timedelta(days=2)).isoformat())
    assert [report["object"] for report in old] == ["price_3"]
    assert api.get("/admin/drift", query={"drift_class": "other"}).status_code == 422


@pytest.mark.parametrize("kinds", [["customers"], "customer", [""], ["customer"] * 99])
def test_unknown_kinds_are_refused(shop: Shop, api: ApiClient, kinds: object) -> None:
    assert api.post("/admin/reconcile", {**REASON, "kinds": kinds}).status_code == 422
