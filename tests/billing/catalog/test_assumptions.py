"""``assume=`` a product or price gives the answer that holding it would give."""

from collections.abc import Callable
from typing import Any

import pytest

from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant
from tests.factories.entitlements import LimitFactory

pytestmark = pytest.mark.django_db

HOW = {"sources", "version"}
"""What differs: how the source is called, and how often the customer has changed."""


def look(tenant: Tenant, **query: Any) -> dict[str, Any]:
    body = {"user_id": "alice", "feature": "seats", **query}
    response = tenant.api.get("/entitlements/check", query=body)
    assert response.status_code == 200, response.content
    return {name: value for name, value in response.json().items() if name not in HOW}


def test_assumed_products_and_prices_are_answered_like_real_ones(
    tenant: Tenant,
    other_api: ApiClient,
    project: Project,
    drain: Callable[[], None],
    django_capture_on_commit_callbacks: Any,
) -> None:
    LimitFactory.create(project=project, code="seats")
    catalog = {}
    for name, interval, seats in (("Item", None, 3), ("Plan", "month", 5), ("Gift", None, 9)):
        product = tenant.product(name, features=[{"feature": "seats", "value": seats}])
        catalog[name] = product, tenant.price(product, interval=interval)
    assert look(tenant)["allowed"] is False
    for name in ("Item", "Plan"):
        price = catalog[name][1]
        assumed = look(tenant, assume=price["id"])
        assert (assumed["allowed"], assumed["reason"]) == (True, "entitled")
        with django_capture_on_commit_callbacks(execute=True):
            tenant.sell(price)
            drain()
        assert look(tenant) == assumed
    gift = catalog["Gift"][0]
    assumed = look(tenant, assume=gift["id"])
    body = {"user_id": "alice", "product_id": gift["id"], "reason": "Goodwill."}
    with django_capture_on_commit_callbacks(execute=True):
        assert tenant.api.post("/admin/grant", body).status_code == 201
    assert look(tenant) == assumed
    for each in (gift, catalog["Plan"][1]):
        query = {"user_id": "alice", "feature": "seats", "assume": each["id"]}
        assert other_api.get("/entitlements/check", query=query).status_code == 422


def test_quota_periods_begin_on_the_subscriptions_billing_day(
    tenant: Tenant, project: Project, drain: Callable[[], None]
) -> None:
    tenant.meter("calls")
    request_body = {"code": "calls", "name": "Calls", "kind": "metered", "meter": "calls"}
    body = {**request_body, "period": "month", "anchored": True}
    assert tenant.api.post("/features", body).status_code == 201
    product = tenant.product("Pro", features=[{"feature": "calls", "value": 100}])
    tenant.sell(tenant.price(product))
    drain()
    [subscription] = tenant.api.get("/subscriptions/alice").json()["data"]
    response = tenant.api.get("/entitlements/check", query={"user_id": "alice", "feature": "calls"})
    ends = subscription["items"][0]["period_end"]
    assert response.json()["resets_at"][:13] == ends[:13]
    assert response.json()["remaining"] == 100
