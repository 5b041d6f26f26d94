"""``/subscriptions`` lists, cancels and undoes cancellations."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Subscription
from events.models import AuditEntry
from projects.models import Project
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import Clock


def subscribe(tenant: Tenant, project: Project, user_id: str = "alice", **body: Any) -> Json:
    """Sold and synced; the product's id and the path of the subscription."""
    tenant.feature(project, "sso")
    product = tenant.product(features=[{"feature": "sso"}])
    tenant.sell(tenant.price(product), user_id, **body)
    return {"product": product["id"], "path": f"/subscriptions/{user_id}/{product['id']}"}


def allowed(tenant: Tenant, user_id: str = "alice") -> bool:
    query = {"user_id": user_id, "feature": "sso"}
    return bool(tenant.api.get("/entitlements/check", query=query).json()["allowed"])


def test_a_subscription_has_every_documented_field(tenant: Tenant, project: Project) -> None:
    subscription = subscribe(tenant, project)
    (at_stripe,) = tenant.at_stripe("subscription")
    body = tenant.api.get(subscription["path"]).json()
    assert (body["status"], body["user_id"], body["stripe_id"]) == (
        "active",
        "alice",
        at_stripe["id"],
    )
    (item,) = body["items"]
    assert (item["product"], item["quantity"]) == (subscription["product"], 1)
    assert item["period_start"] < item["period_end"]
    assert (body["cancel_at"], body["ended_at"]) == (None, None)
    for path in ("/subscriptions/alice", "/subscriptions", "/subscriptions?user_id=alice"):
        assert tenant.api.get(path).json()["data"] == [body]
    assert tenant.api.get("/subscriptions/bob").json()["data"] == []
    assert tenant.api.get("/subscriptions?status=canceled").json()["data"] == []


def test_a_cancellation_at_period_end_can_be_undone(
    tenant: Tenant, project: Project, clock: Clock
) -> None:
    path = subscribe(tenant, project)["path"]
    canceled = tenant.api.delete(path)
    assert canceled.status_code == 200
    body = canceled.json()
    assert (body["status"], body["cancel_at"]) == ("active", body["items"][0]["period_end"])
    assert allowed(tenant)
    response_body = tenant.api.patch(path, {"cancel_at_period_end": False}).json()
    assert (response_body["status"], response_body["cancel_at"], response_body["canceled_at"]) == (
        "active",
        None,
        None,
    )
    tenant.api.patch(path, {"cancel_at_period_end": True})
    clock.advance(days=32)
    assert not allowed(tenant)


def test_an_immediate_cancellation_ends_the_subscription(tenant: Tenant, project: Project) -> None:
    path = subscribe(tenant, project)["path"]
    ended = tenant.api.delete(path, query={"when": "now"}).json()
    assert ended["status"] == "canceled"
    assert ended["ended_at"] is not None
    assert not allowed(tenant)
    for response in (
        tenant.api.delete(path),
        tenant.api.patch(path, {"cancel_at_period_end": False}),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "subscription-ended")
    entry = AuditEntry.objects.get(action="subscription.cancel")
    assert (entry.subject, entry.after) == (ended["id"], {"when": "now"})
    assert entry.actor.startswith("key:")


def test_a_cancellation_at_a_date_can_be_undone(tenant: Tenant, project: Project) -> None:
    path = subscribe(tenant, project)["path"]
    stripe_id = tenant.api.get(path).json()["stripe_id"]
    end = tenant.stripe.world.clock.now() + 5 * 86400
    tenant.stripe.v1.subscriptions.update(stripe_id, {"cancel_at": end})
    body = tenant.api.patch(path, {"cancel_at_period_end": False}).json()
    assert (body["status"], body["cancel_at"]) == ("active", None)


def test_canceling_a_subscription_that_has_ended_at_stripe_is_refused(
    tenant: Tenant, project: Project
) -> None:
    path = subscribe(tenant, project)["path"]
    tenant.stripe.v1.subscriptions.cancel(tenant.api.get(path).json()["stripe_id"])
    refused = tenant.api.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "subscription-ended")
    assert tenant.api.get(path).json()["status"] == "canceled"


def test_an_immediate_cancellation_survives_a_lost_answer(tenant: Tenant, project: Project) -> None:
    """The SDK asks again and hears that there is nothing to cancel any more: that is a yes."""
    path = subscribe(tenant, project)["path"]
    tenant.stripe.fail("reset_after", method="DELETE", path="/v1/subscriptions/*", times=1)
    ended = tenant.api.delete(path, query={"when": "now"})
    assert (ended.status_code, ended.json()["status"]) == (200, "canceled")
    assert not allowed(tenant)


def test_the_live_one_is_shown_before_a_newer_one_that_ended(
    tenant: Tenant, project: Project
) -> None:
    subscription = subscribe(tenant, project)
    old = tenant.api.delete(subscription["path"], query={"when": "now"}).json()
    price = tenant.api.get("/prices").json()["data"][0]
    tenant.sell(price)
    live = tenant.api.get(subscription["path"]).json()
    assert (live["status"], live["id"] > old["id"]) == ("active", True)
    Subscription.objects.for_project(project).filter(pk=old["id"]).update(status="active")
    Subscription.objects.for_project(project).filter(pk=live["id"]).update(status="canceled")
    assert tenant.api.get(subscription["path"]).json()["id"] == old["id"]


@pytest.mark.parametrize("word", ["paused_by_bank", "hibernating"])
def test_an_unknown_status_is_kept_and_entitles_to_nothing(
    tenant: Tenant, project: Project, word: str
) -> None:
    subscription = subscribe(tenant, project)
    checkout = tenant.at_stripe("checkout.session")[0]
    with tenant.stripe.world.transaction() as tx:
        tx.path_object("subscription", checkout["subscription"])["status"] = word
    tenant.sync({"id": checkout["client_reference_id"]})
    assert tenant.api.get(subscription["path"]).json()["status"] == word
    assert not allowed(tenant)


@pytest.mark.parametrize("query", [{"when": "later"}, {"when": ""}, {"now": "1"}])
def test_a_cancellation_must_say_when(
    tenant: Tenant, project: Project, query: dict[str, str]
) -> None:
    path = subscribe(tenant, project)["path"]
    assert tenant.api.delete(path, query=query).status_code == 422
    assert tenant.api.get(path).json()["cancel_at"] is None


def test_a_neighbours_subscription_is_not_found(
    tenant: Tenant, neighbour: Tenant, project: Project
) -> None:
    path = subscribe(tenant, project)["path"]
    for response in (
        neighbour.api.get(path),
        neighbour.api.delete(path),
        neighbour.api.patch(path, {"cancel_at_period_end": True}),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert neighbour.api.get("/subscriptions/alice").json()["data"] == []
    assert tenant.api.get(path).json()["status"] == "active"


def test_the_query_count_of_lists_is_constant(
    tenant: Tenant, drain: Callable[[], None], django_assert_num_queries: Any
) -> None:
    price = tenant.price()
    once = tenant.price(interval=None)
    for user_id in ("a", "b", "c"):
        tenant.sell(price, user_id)
        tenant.sell(once, user_id)
    drain()
    with django_assert_num_queries(4):
        assert len(tenant.api.get("/subscriptions").json()["data"]) == 3
    with django_assert_num_queries(5):
        assert len(tenant.api.get("/invoices").json()["data"]) == 3
    with django_assert_num_queries(6):
        assert len(tenant.api.get("/payments").json()["data"]) == 6


def test_a_cancellation_may_say_when_in_its_body(tenant: Tenant, project: Project) -> None:
    path = subscribe(tenant, project)["path"]
    refused = tenant.api.delete(path, query={"when": "period_end"}, body={"when": "now"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert tenant.api.delete(path, body={"whenever": "now"}).status_code == 422
    assert tenant.api.get(path).json()["status"] == "active"
    assert tenant.api.delete(path, body={"when": "now"}).json()["status"] == "canceled"
    assert not allowed(tenant)
