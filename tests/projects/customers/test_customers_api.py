"""``/customers`` adds, describes, lists and finds customers."""

from typing import Any

import pytest

from events.models import OutboxEvent
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.factories.projects import CustomerFactory


def event_types(project: Project) -> list[str]:
    return list(
        OutboxEvent.objects.for_project(project).order_by("id").values_list("type", flat=True)
    )


def test_a_customer_is_added_described_and_found(api: ApiClient, project: Project) -> None:
    response = api.post(
        "/customers", {"user_id": "u1", "email": "ada@example.com", "metadata": {"plan": "old"}}
    )
    assert response.status_code == 201
    changed = api.patch("/customers/u1", {"name": "Ada", "metadata": {}})
    assert changed.status_code == 200

    body = api.get("/customers/u1").json()
    assert body == changed.json()
    assert (body["email"], body["name"], body["metadata"]) == ("ada@example.com", "Ada", {})
    assert api.get(f"/customers/{body['id']}").json() == body
    assert event_types(project) == ["customer.created", "customer.updated"]
    event = OutboxEvent.objects.for_project(project).latest("id")
    assert event.data == body
    assert event.previous == {"name": "", "metadata": {"plan": "old"}}


def test_a_user_is_added_once(api: ApiClient, project: Project) -> None:
    api.post("/customers", {"user_id": "u1"})
    again = api.post("/customers", {"user_id": "u1", "name": "Eve"})

    assert (again.status_code, again.json()["code"]) == (409, "customer-exists")
    assert api.get("/customers/u1").json()["name"] == ""
    assert event_types(project) == ["customer.created"]


def test_a_change_without_effect_records_no_event(api: ApiClient, project: Project) -> None:
    api.post("/customers", {"user_id": "u1", "name": "Ada"})
    api.patch("/customers/u1", {"name": "Ada"})

    assert event_types(project) == ["customer.created"]


def test_a_users_own_id_wins_over_ours(api: ApiClient, project: Project) -> None:
    first = api.post("/customers", {"user_id": "u1"}).json()
    api.post("/customers", {"user_id": first["id"]})

    assert api.get(f"/customers/{first['id']}").json()["user_id"] == first["id"]
    assert api.get("/customers/u1").json()["id"] == first["id"]


def test_a_list_holds_the_projects_users_only(
    api: ApiClient, project: Project, other_project: Project
) -> None:
    mine = [CustomerFactory.create(project=project).user_id for _ in range(3)]
    CustomerFactory.create(project=other_project, email="shared@example.com")

    listed = api.get("/customers").json()
    assert [row["user_id"] for row in listed["data"]] == mine[::-1]
    one = api.get("/customers", query={"email": f"{mine[0]}@example.com"}).json()
    assert [row["user_id"] for row in one["data"]] == [mine[0]]
    assert api.get("/customers", query={"email": "shared@example.com"}).json()["data"] == []


def test_a_neighbours_user_is_not_found(api: ApiClient, other_project: Project) -> None:
    customer = CustomerFactory.create(project=other_project)

    for path in (f"/customers/{customer.user_id}", f"/customers/{customer.pk}"):
        assert api.get(path).status_code == 404
        assert api.patch(path, {"name": "Mine"}).status_code == 404
    customer.refresh_from_db()
    assert customer.name == ""


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/user_id"),
        ({"user_id": ""}, "#/user_id"),
        ({"user_id": "x" * 256}, "#/user_id"),
        ({"user_id": "u1", "email": "ada"}, "#/email"),
        ({"user_id": "u1", "metadata": {"k": {"deep": 1}}}, "#/metadata/k"),
        ({"user_id": "u1", "metadata": {"k" * 41: "v"}}, "#/metadata"),
        ({"user_id": "u1", "metadata": {"tollgate_id": "v"}}, "#/metadata"),
        ({"user_id": "u1", "metadata": {str(n): "v" for n in range(51)}}, "#/metadata"),
        ({"user_id": "u1", "version": 7}, "#/version"),
        ([], "#"),
    ],
)
def test_a_wrong_customer_names_the_field(
    api: ApiClient, project: Project, body: Any, pointer: str
) -> None:
    answer = api.post("/customers", body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert Customer.objects.for_project(project).count() == 0


def test_text_of_any_script_survives(api: ApiClient) -> None:
    api.post("/customers", {"user_id": "użytkownik 1/ą", "name": "𝔄da 👩🏽‍💻"})

    listed = api.get("/customers").json()["data"]
    assert [(row["user_id"], row["name"]) for row in listed] == [("użytkownik 1/ą", "𝔄da 👩🏽‍💻")]
