"""A rollout has an event when it starts and one when it ends."""

from typing import Any

from django.utils import timezone

from billing.rollouts import worker as rollouts_worker
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.tenant import Tenant

Json = dict[str, Any]


def run_rollouts() -> None:
    while rollouts_worker.run_due(at=timezone.now()):
        pass


def set_seats(tenant: Tenant, product: Json, seats: int) -> None:
    features = [{"feature": "seats", "value": seats}]
    changed = tenant.api.patch(f"/products/{product['id']}", {"features": features})
    assert changed.status_code == 200, changed.content


def newest(tenant: Tenant) -> Json:
    """The newest rollout as the API shows it in lists."""
    return dict(tenant.api.get("/rollouts").json()["data"][0])


def test_a_rollout_starts_and_completes_once(tenant: Tenant, project: Project) -> None:
    tenant.feature(project, "seats", kind="limit")
    product = tenant.product("Pro", features=[{"feature": "seats", "value": 5}])
    set_seats(tenant, product, 6)
    set_seats(tenant, product, 6)
    at_start = newest(tenant)
    run_rollouts()
    run_rollouts()
    started, completed = outbox_events.events(project, "rollout.")
    assert (started.type, completed.type) == ("rollout.started", "rollout.completed")
    assert (started.data, completed.data) == (at_start, newest(tenant))
    assert (started.previous, completed.previous) == (
        {},
        {"status": "running", "finished_at": None},
    )
    assert {started.subject, completed.subject} == {at_start["id"]}
    assert {started.customer_id, completed.customer_id} == {""}
    assert outbox_events.types(project, "product.") == ["product.created", "product.updated"]


def test_a_newer_change_supersedes_a_rollout(tenant: Tenant, project: Project) -> None:
    tenant.feature(project, "seats", kind="limit")
    product = tenant.product("Pro", features=[{"feature": "seats", "value": 5}])
    set_seats(tenant, product, 6)
    first = newest(tenant)["id"]
    set_seats(tenant, product, 7)
    second = newest(tenant)["id"]
    run_rollouts()
    assert [(each.type, each.subject) for each in outbox_events.events(project, "rollout.")] == [
        ("rollout.started", first),
        ("rollout.superseded", first),
        ("rollout.started", second),
        ("rollout.completed", second),
    ]
