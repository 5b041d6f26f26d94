"""An empty name clears a customer's or coupon's name and is refused elsewhere."""

from typing import Any

import pytest

from projects.models import Customer, Project
from tests.billing.tenant import HOME, Tenant, order


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize("path", ["/checkout", "/payments"])
def test_a_buyer_can_have_no_name(tenant: Tenant, project: Project, path: str, empty: str) -> None:
    """As if it were left out: nothing that is known is forgotten, and Stripe is told nothing."""
    price = tenant.price()
    customer = {"user_id": "ada", "name": "Ada", "email": "ada@example.com"}
    assert tenant.api.post("/customers", customer).status_code == 201
    for user_id in ("ada", "nobody"):
        body: dict[str, Any] = {"user_id": user_id, "price": price["id"], "name": empty}
        sent = {**body, "email": empty, "success_url": f"{HOME}/thanks"}
        assert tenant.api.post(path, sent).status_code == 201
    names = Customer.objects.for_project(project).values_list("user_id", "name", "email")
    assert sorted(names) == [("ada", "Ada", "ada@example.com"), ("nobody", "", "")]
    stripe = {each["name"]: each["email"] for each in tenant.at_stripe("customer")}
    assert stripe == {"Ada": "ada@example.com", None: None}


def test_an_empty_name_and_no_name_open_the_same_page(tenant: Tenant) -> None:
    price = tenant.price()
    body = tenant.api.post("/checkout", order(price)).json()
    again = tenant.api.post("/checkout", order(price, name="", email="")).json()
    assert again["id"] == body["id"]


def test_the_name_of_a_customer_and_of_a_coupon_is_taken_away(tenant: Tenant) -> None:
    tenant.api.post("/customers", {"user_id": "ada", "name": "Ada"})
    assert tenant.api.patch("/customers/ada", {"name": ""}).json()["name"] == ""
    tenant.product()
    body = {"percent_off": "10", "duration": "once", "name": "Spring"}
    response = tenant.api.post("/coupons", body)
    assert response.status_code == 201, response.content
    coupon = response.json()
    assert coupon["name"] == "Spring"
    changed = tenant.api.patch(f"/coupons/{coupon['id']}", {"name": ""})
    assert (changed.status_code, changed.json()["name"]) == (200, "")
    assert tenant.at_stripe("coupon")[-1]["name"] is None
    unnamed = tenant.api.post("/coupons", {**body, "name": ""})
    assert (unnamed.status_code, unnamed.json()["name"]) == (201, "")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/products", {}),
        ("/features", {"code": "sso", "kind": "boolean"}),
        ("/meters", {"code": "calls", "aggregation": "sum"}),
        ("/projects/{project}/apps", {}),
        ("/projects/{project}/keys", {"scopes": ["usage:write"]}),
    ],
)
def test_a_projects_objects_need_a_name(
    tenant: Tenant, project: Project, path: str, body: dict[str, Any]
) -> None:
    answer = tenant.api.post(path.format(project=project.pk), {**body, "name": ""})
    assert answer.status_code == 422, answer.content
    assert [each["pointer"] for each in answer.json()["errors"]] == ["#/name"]
