"""``/products`` creates products at Stripe and mirrors them with their features."""

from collections.abc import Callable
from typing import Any

import pytest

from events.models import AuditEntry
from projects.models import Project
from tests.billing.tenant import Tenant


def test_a_product_is_made_at_stripe_and_names_our_row(tenant: Tenant, project: Project) -> None:
    tenant.feature(project, "sso")
    product = tenant.product(
        "Pro", description="All of it", features=[{"feature": "sso"}], metadata={"tier": "1"}
    )
    (at_stripe,) = tenant.at_stripe("product")
    assert product["stripe_id"] == at_stripe["id"]
    assert at_stripe["metadata"] == {"tier": "1", "tollgate_id": product["id"]}
    assert (at_stripe["name"], at_stripe["description"]) == ("Pro", "All of it")
    assert product["features"] == [{"feature": "sso", "kind": "boolean", "value": True}]
    assert product["metadata"] == {"tier": "1"}
    assert product["created_at"].endswith("Z")
    assert tenant.api.get(f"/products/{product['id']}").json() == product


def test_a_change_goes_to_stripe_and_comes_back(tenant: Tenant) -> None:
    product = tenant.product("Pro", description="Old", metadata={"a": "1", "b": "2"})
    changed = tenant.api.patch(
        f"/products/{product['id']}",
        {"name": "Pro Max", "description": "", "active": False, "metadata": {"b": "3"}},
    )
    assert changed.status_code == 200
    assert changed.json() == {
        **product,
        "name": "Pro Max",
        "description": "",
        "active": False,
        "metadata": {"b": "3"},
    }
    (at_stripe,) = tenant.at_stripe("product")
    assert at_stripe["active"] is False
    assert at_stripe["metadata"] == {"b": "3", "tollgate_id": product["id"]}


def test_features_are_replaced_as_a_set_and_audited(tenant: Tenant, project: Project) -> None:
    tenant.feature(project, "sso")
    tenant.feature(project, "seats", kind="limit")
    product = tenant.product("Pro", features=[{"feature": "sso"}, {"feature": "seats", "value": 5}])
    changed = tenant.api.patch(
        f"/products/{product['id']}", {"features": [{"feature": "seats", "value": None}]}
    )
    assert changed.json()["features"] == [{"feature": "seats", "kind": "limit", "value": None}]
    entry = AuditEntry.objects.filter(action="product.set_features").latest("id")
    assert (entry.subject, entry.before, entry.after) == (
        product["id"],
        {"sso": True, "seats": 5},
        {"seats": None},
    )


def test_holders_get_the_products_new_features(
    tenant: Tenant, project: Project, drain: Callable[[], None]
) -> None:
    tenant.feature(project, "sso")
    tenant.feature(project, "seats", kind="limit")
    product = tenant.product(features=[{"feature": "sso"}])
    checkout = tenant.sell(tenant.price(product))
    drain()
    tenant.api.patch(f"/products/{product['id']}", {"features": [{"feature": "seats", "value": 5}]})
    drain()
    decisions = {each["feature"]: each for each in tenant.sync(checkout)["entitlements"]}
    assert (decisions["sso"]["allowed"], decisions["seats"]["limit"]) == (False, 5)


def test_true_and_one_are_different_values(tenant: Tenant, project: Project) -> None:
    tenant.feature(project, "sso")
    refused = tenant.api.post(
        "/products", {"name": "P", "features": [{"feature": "sso", "value": 1}]}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "value-does-not-fit")
    assert refused.json()["errors"][0]["pointer"] == "#/features/0/value"
    assert tenant.at_stripe("product") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 251},
        {"name": "P", "colour": "red"},
        {"name": "P", "features": "sso"},
        {"name": "P", "features": [{"feature": "unknown"}]},
        {"name": "P", "features": [{"feature": "sso"}, {"feature": "sso"}]},
        {"name": "P", "features": [{"feature": "sso", "value": False}]},
        {"name": "P", "features": [{"feature": "sso", "value": None}]},
        {"name": "P", "features": [{"feature": "seats", "value": -1}]},
        {"name": "P", "features": [{"feature": "seats", "value": True}]},
        {"name": "P", "features": [{"feature": "seats", "value": "5"}]},
        {"name": "P", "features": [{"feature": "seats", "value": 2**53}]},
        {"name": "P", "features": [{"feature": "seats", "valeu": 5}]},
        {"name": "P", "metadata": {"tollgate_id": "prod_1"}},
        {"name": "P", "metadata": {"k": ""}},
        {"name": "P", "metadata": {f"k{number}": "v" for number in range(50)}},
        {"name": "P", "metadata": {"k": "v" * 501}},
        {"name": "P", "metadata": {"k" * 41: "v"}},
        {"name": "P", "metadata": ["k"]},
    ],
)
def test_an_invalid_product_is_refused_and_not_created(
    tenant: Tenant, project: Project, body: dict[str, Any]
) -> None:
    tenant.feature(project, "sso")
    tenant.feature(project, "seats", kind="limit")
    refused = tenant.api.post("/products", body)
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert tenant.at_stripe("product") == []
    assert tenant.api.get("/products").json()["data"] == []


def test_a_neighbours_product_is_not_found(tenant: Tenant, neighbour: Tenant) -> None:
    neighbours_product = neighbour.product("Theirs")
    path = f"/products/{neighbours_product['id']}"
    missing_path = f"/products/prod_{'0' * 26}"
    for ask in (tenant.api.get, tenant.api.patch):
        response, missing_response = ask(path), ask(missing_path)
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
        assert without_request_id(response.json()) == without_request_id(missing_response.json())
    price = tenant.api.post(
        "/prices",
        {"product": neighbours_product["id"], "unit_amount": {"amount": 1, "currency": "usd"}},
    )
    assert price.status_code == 404
    assert neighbour.api.get(path).json() == neighbours_product
    assert tenant.api.get("/products").json()["data"] == []


def test_the_query_count_of_lists_is_constant(
    tenant: Tenant, project: Project, django_assert_num_queries: Any
) -> None:
    tenant.feature(project, "sso")
    for name in ("A", "B", "C"):
        product = tenant.product(name, features=[{"feature": "sso"}])
        tenant.price(product)
        tenant.price(product, interval="year")
    tenant.api.get("/products")  # notes that the key was used
    with django_assert_num_queries(3):
        assert len(tenant.api.get("/products").json()["data"]) == 3
    with django_assert_num_queries(4):
        plans = tenant.api.get("/plans").json()["data"]
    assert [(plan["name"], len(plan["prices"])) for plan in plans] == [("C", 2), ("B", 2), ("A", 2)]
    with django_assert_num_queries(2):
        assert len(tenant.api.get("/prices").json()["data"]) == 6


def test_a_product_deleted_at_stripe_is_shown_as_deleted(tenant: Tenant) -> None:
    product = tenant.product()
    tenant.stripe.v1.products.delete(product["stripe_id"])
    refused = tenant.api.patch(f"/products/{product['id']}", {"name": "New"})
    assert (refused.status_code, refused.json()["code"]) == (409, "stripe-refused")
    assert tenant.api.get(f"/products/{product['id']}").json()["active"] is False


def without_request_id(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}
