"""A request with an ``Idempotency-Key`` is carried out once, whatever interrupts it."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection

from projects.idempotency import service as idempotency
from projects.models import (
    ApiKey,
    Customer,
    Project,
)
from projects.models.idempotency_key import KEPT_FOR
from tests.api_client import ApiClient
from tests.factories.projects import key_of
from tests.projects.idempotency.keyed_requests import ONCE, START, rows


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as coordinates:
        yield coordinates


def test_the_same_request_is_carried_out_once(api: ApiClient, project: Project) -> None:
    first = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    again = api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert Customer.objects.for_project(project).count() == 1


def test_a_key_that_comes_again_is_no_error_to_the_database(
    api: ApiClient, platform_api: ApiClient
) -> None:
    """It comes every day; PostgreSQL's log is for what somebody has to look at."""
    errors: list[DatabaseError] = []

    def watch(execute: Any, *arguments: Any) -> Any:
        try:
            return execute(*arguments)
        except DatabaseError as error:
            errors.append(error)
            raise

    with connection.execute_wrapper(watch):
        replies = [api.post("/customers", {"user_id": "u1"}, headers=ONCE) for _ in range(2)]
        project = {"name": "Borealis", "slug": "borealis"}
        replies += [platform_api.post("/projects", project, headers=ONCE) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201] * 4
    assert errors == []


def test_a_business_refusal_is_replayed(api: ApiClient) -> None:
    api.post("/customers", {"user_id": "u1"})
    first = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    again = api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert (first.status_code, first.json()["code"]) == (409, "customer-exists")
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_new_key_is_replayed_but_not_stored_readably(api: ApiClient, project: Project) -> None:
    path = f"/projects/{project.pk}/keys"
    first = api.post(path, {"name": "CI", "scopes": ["keys:write"]}, headers=ONCE)
    again = api.post(path, {"name": "CI", "scopes": ["keys:write"]}, headers=ONCE)

    assert again.json()["secret"] == first.json()["secret"]
    assert ApiKey.objects.for_project(project).count() == 2
    stored = rows(project)[0].__dict__
    assert first.json()["secret"] not in str(stored)
    assert first.json()["id"] not in str(stored)
    assert base64.b64encode(first.content).decode() not in str(stored)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/customers", {"user_id": "u2"}),
        ("POST", "/customers?x=1", {"user_id": "u1"}),
        ("PATCH", "/customers/u1", {"name": "Ada"}),
    ],
)
def test_the_key_of_another_request_is_refused(
    api: ApiClient, project: Project, method: str, path: str, body: dict[str, Any]
) -> None:
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    other = api.request(method, path, body, headers=ONCE)

    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert Customer.objects.for_project(project).get().name == ""


def test_neighbours_may_choose_the_same_key(
    api: ApiClient, other_api: ApiClient, other_project: Project
) -> None:
    mine = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    other_response = other_api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert other_response.status_code == 201
    assert "Idempotent-Replayed" not in other_response.headers
    assert other_response.json()["id"] != mine.json()["id"]
    assert Customer.objects.for_project(other_project).get().pk == other_response.json()["id"]


def test_a_neighbour_who_repeats_the_key_gets_its_own_answer(
    api: ApiClient, other_api: ApiClient
) -> None:
    mine = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    other_response = other_api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    again = other_api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == other_response.content
    assert mine.json()["id"] not in again.content.decode()


def test_a_successor_key_gets_the_answer_and_a_weaker_key_does_not(project: Project) -> None:
    strong, same = ApiClient(key_of(project)), ApiClient(key_of(project))
    weak = ApiClient(key_of(project, scopes=["keys:write"]))
    path, body = f"/projects/{project.pk}/keys", {"name": "CI", "scopes": ["keys:write"]}

    first = strong.post(path, body, headers=ONCE)
    assert same.post(path, body, headers=ONCE).content == first.content
    refused = weak.post(path, body, headers=ONCE)
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency-key-reused")


def test_a_revoked_key_is_not_answered_from_memory(api: ApiClient, project: Project) -> None:
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    ApiKey.objects.for_project(project).update(revoked_at=START)

    again = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    assert (again.status_code, again.json()["code"]) == (401, "invalid-key")


def test_a_malformed_request_stores_nothing(api: ApiClient, project: Project) -> None:
    refused = api.post("/customers", {"user_id": ""}, headers=ONCE)
    assert refused.status_code == 422

    repaired = api.post("/customers", {"user_id": ""}, headers=ONCE)
    assert repaired.status_code == 422
    assert "Idempotent-Replayed" not in repaired.headers
    assert rows(project)[0].locked_at is None
    assert rows(project)[0].status is None


def test_a_not_found_answer_is_not_replayed(api: ApiClient) -> None:
    assert api.patch("/customers/u1", {"name": "Ada"}, headers=ONCE).status_code == 404
    api.post("/customers", {"user_id": "u1"})
    assert api.patch("/customers/u1", {"name": "Ada"}, headers=ONCE).status_code == 200


def test_platform_keys_have_keys_of_their_own(platform_api: ApiClient) -> None:
    first = platform_api.post("/projects", {"name": "Acme"}, headers=ONCE)
    again = platform_api.post("/projects", {"name": "Acme"}, headers=ONCE)

    assert first.status_code == 201
    assert again.content == first.content
    assert Project.objects.count() == 1


def test_reading_needs_no_key_and_ignores_one(api: ApiClient, project: Project) -> None:
    api.get("/customers", headers=ONCE)
    assert "Idempotent-Replayed" not in api.get("/customers", headers=ONCE).headers
    assert rows(project) == []


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\tbed", "bell\x07"])
def test_an_odd_key_is_refused(api: ApiClient, project: Project, key: str) -> None:
    answer = api.post("/customers", {"user_id": "u1"}, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-invalid")
    assert Customer.objects.for_project(project).count() == 0


def test_the_longest_key_is_fine(api: ApiClient) -> None:
    long = {"Idempotency-Key": "x" * 255}
    assert api.post("/customers", {"user_id": "u1"}, headers=long).status_code == 201
    assert api.post("/customers", {"user_id": "u1"}, headers=long).status_code == 201


def test_an_oversized_body_is_refused(api: ApiClient, project: Project) -> None:
    answer = api.post("/customers", {"user_id": "u1", "name": "x" * 1_100_000}, headers=ONCE)

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert rows(project) == []


def test_after_a_day_the_key_is_new(project: Project, clock: time_machine.Traveller) -> None:
    api = ApiClient(key_of(project))
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    clock.shift(KEPT_FOR - timedelta(seconds=1))
    assert api.post("/customers", {"user_id": "u2"}, headers=ONCE).status_code == 409
    clock.shift(timedelta(seconds=1))
    fresh = api.post("/customers", {"user_id": "u2"}, headers=ONCE)
    assert fresh.status_code == 201
    assert api.post("/customers", {"user_id": "u2"}, headers=ONCE).content == fresh.content


def test_the_sweep_forgets_what_is_older_than_a_day(
    project: Project, platform_api: ApiClient
) -> None:
    api = ApiClient(key_of(project))
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    platform_api.post("/projects", {"name": "Acme"}, headers=ONCE)
    now = rows(project)[0].created_at

    assert idempotency.purge(at=now + KEPT_FOR - timedelta(seconds=1)) == 0
    assert idempotency.purge(at=now + KEPT_FOR + timedelta(seconds=5)) == 2
    assert rows(project) == []
