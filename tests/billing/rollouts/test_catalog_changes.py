"""A change of a product is previewed, applied to its holders or saved as a plan."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Price, Rollout, StripeIntent
from billing.rollouts import service as rollouts
from billing.rollouts import worker as rollouts_worker
from common.admin.pages import everywhere
from entitlements.models import Fact, Feature
from events.models import AuditEntry, OutboxEvent
from projects.models import Customer, Project
from tests.back_offs import end_pauses
from tests.billing import outbox_events
from tests.billing.rollouts.holders import record_facts, subscribers
from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant
from tests.factories.entitlements import grant
from tests.sandbox_stripe import Clock, SandboxStripe
from tests.shop import Shop

Drain = Callable[[], None]
TABLES = (Rollout, Fact, OutboxEvent, AuditEntry, StripeIntent, Customer)


def row_counts(project: Project) -> dict[str, int]:
    """How many rows there are of whatever a change could write."""
    rows = {model.__name__: everywhere(model).filter(project_id=project.pk) for model in TABLES}
    return {name: queryset.count() for name, queryset in rows.items()}


def run_rollouts() -> None:
    """Let workers do all that is due."""
    while rollouts_worker.run_due(at=timezone.now()):
        pass


def feature_value(code: str, value: Any = True) -> Json:
    return {"feature": code, "value": value}


@pytest.fixture
def pro(tenant: Tenant, project: Project) -> Json:
    """A product with five seats and a hundred calls a month."""
    tenant.feature(project, "sso")
    tenant.feature(project, "seats", kind="limit")
    for path, body in (
        ("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"}),
        (
            "/features",
            {
                "code": "calls",
                "name": "Calls",
                "kind": "metered",
                "meter": "calls",
                "period": "month",
            },
        ),
    ):
        response = tenant.api.post(path, body)
        assert response.status_code == 201, response.content
    return tenant.product("Pro", features=[feature_value("seats", 5), feature_value("calls", 100)])


def test_the_preview_equals_the_effect_and_asks_nothing_of_stripe(
    tenant: Tenant, pro: Json, project: Project, stripe: SandboxStripe, neighbour: Tenant
) -> None:
    price = Price.objects.for_project(project).get(pk=tenant.price(pro)["id"])
    rows = subscribers(price, 4)
    record_facts(rows)
    grant(rows[3].customer, (Feature.objects.for_project(project).get(code="seats"), None),
          at=timezone.now())  # fmt: skip
    used = {"user_id": "user-0000", "meter": "calls", "value": 60}
    assert tenant.api.post("/usage", used).status_code in (200, 201)
    request_body = {
        "features": [feature_value("seats", 3), feature_value("calls", 50), feature_value("sso")]
    }
    before, path = row_counts(project), f"/products/{pro['id']}"
    seen = tenant.api.post(f"{path}/preview", request_body)
    nothing = {"gain": 0, "lose": 0, "more": 0, "less": 0, "other": 0}
    assert (seen.status_code, seen.json()) == (
        200,
        {
            "holders": 4,
            "looked_at": 4,
            "changed": 4,
            "features": [
                {"feature": "calls", **nothing, "less": 4},
                {"feature": "seats", **nothing, "less": 3},
                {"feature": "sso", **nothing, "gain": 4},
            ],
            "over_limit": [{"feature": "calls", "users": 1, "user_ids": ["user-0000"]}],
            "moves": 0,
            "refused": [],
            "bills": {"more": 0, "less": 0, "same": 0},
            "mrr": [],
        },
    )
    taken = tenant.api.post(f"{path}/preview", {"features": []}).json()["features"]
    assert taken == [
        {"feature": "calls", **nothing, "lose": 4},
        {"feature": "seats", **nothing, "lose": 3},
    ]
    for body, status in (
        ({}, 422),
        ({"features": [feature_value("none")]}, 422),
        ({"price": 1}, 422),
    ):
        assert tenant.api.post(f"{path}/preview", body).status_code == status
    assert neighbour.api.post(f"{path}/preview", request_body).status_code == 404
    assert (row_counts(project), tenant.api.get("/rollouts").json()["data"]) == (before, [])

    stripe.fail("timeout_before", path="/v1/*", times=1000)
    assert tenant.api.patch(path, request_body).status_code == 200
    (rollout,) = tenant.api.get("/rollouts", query={"product": pro["id"]}).json()["data"]
    assert (rollout["status"], rollout["progress"]["holders"]) == ("running", None)
    count = len(outbox_events.types(project, "entitlements.changed"))
    run_rollouts()
    shown = tenant.api.get(f"/rollouts/{rollout['id']}").json()
    assert (shown["status"], shown["progress"]) == (
        "done",
        {"holders": 4, "looked_at": 4, "changed": 4, "failed": 0},
    )
    assert (shown["terms"], shown["refusals"], shown["failed_customers"]) == (None, [], [])
    assert len(outbox_events.types(project, "entitlements.changed")) == count + 4
    last = {
        event.subject: event.data for event in outbox_events.events(project, "entitlements.changed")
    }
    seats = {
        event_data["user_id"]: next(
            each["limit"] for each in event_data["entitlements"] if each["feature"] == "seats"
        )
        for event_data in last.values()
    }
    assert sorted(seats.items()) == [
        ("user-0000", 3), ("user-0001", 3), ("user-0002", 3), ("user-0003", None)
    ]  # fmt: skip
    with CaptureQueriesContext(connection) as one:
        assert len(tenant.api.get("/rollouts").json()["data"]) == 1
    tenant.api.patch(path, {"features": [feature_value("sso")]})
    with CaptureQueriesContext(connection) as two:
        assert len(tenant.api.get("/rollouts").json()["data"]) == 2
    assert len(one) == len(two)
    assert neighbour.api.get(f"/rollouts/{rollout['id']}").status_code == 404
    assert neighbour.api.get("/rollouts").json()["data"] == []


class Fleet:
    """Subscribers of one price, some of whom cannot be moved to another one."""

    def __init__(self, tenant: Tenant, shop: Shop, clock: Clock, pro: Json) -> None:
        self.old, self.new = tenant.price(pro, amount=3000), tenant.price(pro, amount=4500)
        people = (Subscriber(tenant, shop, clock, name) for name in ("ada", "bob", "cyd", "dan"))
        self.ada, self.bob, self.cyd, self.dan = people
        for each in (self.ada, self.bob, self.cyd, self.dan):
            each.subscribe(self.old, quantity=2 if each is self.bob else 1)
        self.cyd.pause(self.old)
        self.dan.change(self.old, cancel_at_period_end=True)

    def planned(self, one: Subscriber) -> list[str]:
        """The prices that this subscriber will pay from the next period on."""
        change = one.show(self.old)["scheduled_change"]
        return [item["price"] for item in change["items"]] if change else []


@pytest.fixture
def fleet(tenant: Tenant, shop: Shop, clock: Clock, pro: Json, drain: Drain) -> Fleet:
    new_fleet = Fleet(tenant, shop, clock, pro)
    drain()
    return new_fleet


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("plan_change", "--project", "acme", *arguments, stdout=out)
    return out.getvalue()


def test_a_saved_plan_is_applied_as_it_was_previewed(
    tenant: Tenant, fleet: Fleet, pro: Json, project: Project, shop: Shop, clock: Clock
) -> None:
    before = row_counts(project)
    terms = ["--product", pro["id"], "--set", "sso", "seats=9", "--remove", "calls"]
    terms += ["--move", fleet.old["id"], fleet.new["id"]]
    output = command(*terms)
    assert output.splitlines() == [
        "4 of 4 holders looked at: 3 would have another answer.",
        "  calls: 3 lose it",
        "  seats: 3 get more of it",
        "  sso: 3 gain it",
        "2 subscriptions would be moved: 2 pay more, 0 less, 0 the same.",
        "  1 refused: subscription-ending",
        "  1 refused: subscription-not-running",
        "  a month brings 90.00 USD now, 135.00 USD then: a difference of 45.00 USD",
        "Nothing was written.",
    ]
    assert row_counts(project) == before
    for wrong in (["--apply"], ["--set", "none=1"], ["--remove", "sso"], ["--set", "seats=x"]):
        with pytest.raises(CommandError):
            command("--product", pro["id"], *wrong)
    assert row_counts(project) == before

    kept = command(*terms, "--save").splitlines()[-1].split()[1]
    assert row_counts(project) == {**before, "Rollout": before["Rollout"] + 1}
    late = Subscriber(tenant, shop, clock, "eve")
    late.subscribe(fleet.old)
    done = command("--rollout", kept, "--apply", "--reason", "New prices.").splitlines()
    assert done[-3:] == [
        f"Rollout {kept} is done.",
        "5 holders: 4 followed, 0 failed.",
        "4 moves: 2 made, 2 refused.",
    ]
    movers = [fleet.ada, fleet.bob, fleet.cyd, fleet.dan, late]
    new = [fleet.new["id"]]
    assert [fleet.planned(each) for each in movers] == [new, new, [], [], []]
    body = tenant.api.get(f"/rollouts/{kept}").json()
    assert [(each["user_id"], each["code"]) for each in body["refusals"]] == [
        ("cyd", "subscription-not-running"),
        ("dan", "subscription-ending"),
    ]
    assert body["moves"] == {"subscriptions": 4, "moved": 2, "refused": 2}
    assert body["figures"]["mrr"] == [
        {"currency": "usd", "before": 9000, "after": 13500, "difference": 4500}
    ]
    features = {each["feature"]: each["value"] for each in tenant.api.get(f"/products/{pro['id']}")
             .json()["features"]}  # fmt: skip
    assert features == {"seats": 9, "sso": True}
    changes = AuditEntry.objects.filter(action="subscription.change", actor="command")
    assert {(each.reason, each.after["price"]) for each in changes} == {("New prices.", new[0])}
    with pytest.raises(CommandError, match="rollout-not-planned"):
        command("--rollout", kept, "--apply", "--reason", "Again.")


def test_a_plan_for_another_version_is_refused(
    tenant: Tenant, fleet: Fleet, pro: Json, project: Project, stripe: SandboxStripe
) -> None:
    plus = tenant.price(tenant.product("Plus", features=[feature_value("sso")]), amount=9000)
    switch = {"from_price": fleet.old["id"], "to_price": plus["id"], "when": "now"}
    seen = tenant.api.post(f"/products/{pro['id']}/preview", {"move": switch}).json()
    nothing = {"gain": 0, "lose": 0, "more": 0, "less": 0, "other": 0}
    assert seen["features"] == [
        {"feature": "calls", **nothing, "lose": 3},
        {"feature": "seats", **nothing, "lose": 3},
        {"feature": "sso", **nothing, "gain": 3},
    ]
    assert (seen["moves"], seen["refused"]) == (
        3,
        [{"code": "subscription-not-running", "subscriptions": 1}],
    )
    assert seen["mrr"] == [
        {"currency": "usd", "before": 12000, "after": 36000, "difference": 24000}
    ]
    for wrong in (
        {**switch, "to_price": fleet.old["id"]},
        {**switch, "from_price": plus["id"]},
        {**switch, "when": "renewal", "proration": "none"},
        {**switch, "to_price": tenant.price(amount=1, currency="eur")["id"]},
        {**switch, "to_price": tenant.price(interval=None)["id"]},
        {**switch, "to_price": f"price_{'0' * 26}"},
    ):
        refused = tenant.api.post(f"/products/{pro['id']}/preview", {"move": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), wrong
    move = ["--product", pro["id"], "--move", fleet.old["id"], fleet.new["id"]]
    stale = command(*move, "--save").splitlines()[-1].split()[1]
    tenant.api.patch(f"/products/{pro['id']}", {"dispute_policy": "keep"})
    with pytest.raises(CommandError, match="rollout-out-of-date"):
        command("--rollout", stale, "--apply", "--reason", "New prices.")
    assert tenant.api.get(f"/rollouts/{stale}").json()["status"] == "planned"

    run_rollouts()
    kept = command(*move, "--save").splitlines()[-1].split()[1]
    row = Rollout.objects.for_project(project).get(pk=kept)
    rollouts.apply(rollout=row, actor="test", reason="New prices.", at=timezone.now())
    stripe.fail("timeout_after", path="/v1/subscription_schedules", times=3)
    run_rollouts()
    waiting = tenant.api.get(f"/rollouts/{kept}").json()
    assert (waiting["status"], waiting["moves"]["moved"]) == ("moving", 0)
    end_pauses()
    run_rollouts()
    assert tenant.api.get(f"/rollouts/{kept}").json()["moves"] == {
        "subscriptions": 4,
        "moved": 2,
        "refused": 2,
    }
    assert len(tenant.at_stripe("subscription_schedule")) == 2
    assert fleet.planned(fleet.ada) == [fleet.new["id"]]
    recorded = outbox_events.events(project, "rollout.")
    assert [each.type for each in recorded if each.subject == kept] == [
        "rollout.started",
        "rollout.completed",
    ]
    (shown,) = tenant.api.get("/rollouts", query={"status": "done"}).json()["data"][:1]
    assert recorded[-1].data == shown
