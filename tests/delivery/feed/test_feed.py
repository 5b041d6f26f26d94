"""``GET /events``: every event once, in order, with a cursor that is noticed when it is wrong."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from delivery.feed import service
from events.log import sequencer
from events.models import LoggedEvent, LogHead
from projects.models import Project
from tests.api_client import ApiClient
from tests.events.log.recording import record


def read(api: ApiClient, **query: Any) -> Any:
    response = api.get("/events", query={name: str(value) for name, value in query.items()})
    assert response.status_code == 200, response.content
    return response.json()


def refusal(api: ApiClient, **query: Any) -> tuple[int, str]:
    response = api.get("/events", query={name: str(value) for name, value in query.items()})
    return response.status_code, response.json()["code"]


def record_numbered(project: Project, count: int, customer: str = "") -> list[str]:
    ids = [record(project, customer, number) for number in range(1, count + 1)]
    sequencer.run()
    return ids


def ids_of(page: Any) -> list[str]:
    return [event["id"] for event in page["data"]]


def test_an_event_says_what_happened_and_where_it_stands(api: ApiClient) -> None:
    api.post("/customers", {"user_id": "u1", "email": "ada@example.com"})
    api.request("PATCH", "/customers/u1", {"name": "Ada"}, headers={"X-Request-ID": "req-7"})
    sequencer.run()
    created, updated = read(api)["data"]

    assert (created["type"], created["position"], created["sequence"]) == ("customer.created", 1, 1)
    assert (updated["position"], updated["sequence"]) == (2, 2)
    assert updated["cause"] == {"type": "api_request", "id": "req-7"}
    assert (updated["data"]["name"], updated["previous"]) == ("Ada", {"name": ""})
    assert updated["customer"] == updated["subject"] == created["data"]["id"]
    assert updated["previous_version"] == created["version"]
    assert api.get(f"/events/{updated['id']}").json() == updated


def test_pages_go_on_where_the_last_one_ended(api: ApiClient, project: Project) -> None:
    ids = record_numbered(project, 5)
    first = read(api, limit=2)
    second = read(api, limit=2, after=first["next"])
    third = read(api, limit=2, after=second["next"])

    assert ids_of(first) + ids_of(second) + ids_of(third) == ids
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert {(page["head"], page["oldest"]) for page in (first, second, third)} == {(5, 1)}
    empty = read(api, after=third["next"])
    assert (empty["data"], empty["next"]) == ([], third["next"])
    (later,) = record_numbered(project, 1)
    assert ids_of(read(api, after=third["next"])) == [later]


def test_a_reader_of_future_events_begins_at_the_head(api: ApiClient, project: Project) -> None:
    record_numbered(project, 3)
    page = read(api, after="latest")
    assert page["data"] == []
    (later,) = record_numbered(project, 1)
    assert ids_of(read(api, after=page["next"])) == [later]


def test_another_projects_events_are_never_shown(
    api: ApiClient, other_api: ApiClient, project: Project, other_project: Project
) -> None:
    (foreign,) = record_numbered(other_project, 1)
    (own,) = record_numbered(project, 1)
    assert (ids_of(read(api)), ids_of(read(other_api))) == ([own], [foreign])
    assert api.get(f"/events/{foreign}").status_code == 404
    assert refusal(api, after=read(other_api)["next"]) == (422, "invalid")


def test_a_filter_by_type_moves_past_other_events(
    api: ApiClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also past more events than one page looks at."""
    monkeypatch.setattr(service, "MAX_SCANNED", 4)
    record_numbered(project, 6)
    api.post("/customers", {"user_id": "u1"})
    sequencer.run()
    first = read(api, types="customer.created,payment.*")
    assert (first["data"], first["has_more"]) == ([], True)
    second = read(api, types="customer.created", after=first["next"])
    assert [event["position"] for event in second["data"]] == [7]
    assert not second["has_more"]


@pytest.mark.parametrize("types", ["customer.vanished", "payments.*", "payment.paid,", ""])
def test_an_unknown_type_is_refused(api: ApiClient, types: str) -> None:
    assert refusal(api, types=types)[0] == 422


def test_the_events_of_one_customer(api: ApiClient, project: Project) -> None:
    for user_id in ("u1", "u2"):
        api.post("/customers", {"user_id": user_id})
    api.patch("/customers/u1", {"name": "Ada"})
    record_numbered(project, 2)
    page = read(api, customer="u1")
    assert [event["position"] for event in page["data"]] == [1, 3]
    assert read(api, customer=page["data"][0]["customer"])["data"] == page["data"]
    assert read(api, customer="nobody")["data"] == []
    first = read(api, customer="u1", limit=1)
    second = read(api, customer="u1", limit=1, after=first["next"])
    assert first["data"] + second["data"] == page["data"]


@pytest.mark.parametrize(
    "after", ["x", "0" * 16, "0000000000000000-1", "-1", "1", "9" * 60, "ffffffffffffffff-٣"]
)
def test_a_cursor_that_is_none_is_refused(api: ApiClient, project: Project, after: str) -> None:
    record_numbered(project, 1)
    assert refusal(api, after=after) == (422, "invalid")


def test_a_cursor_of_deleted_events_says_what_is_left(api: ApiClient, project: Project) -> None:
    record_numbered(project, 4)
    cursor = read(api, limit=1)["next"]
    LoggedEvent.objects.for_project(project).filter(position__lte=2).delete()
    response = api.get("/events", query={"after": cursor})
    assert (response.status_code, response.json()["code"]) == (410, "events-expired")
    rest = read(api, after=response.json()["oldest"])
    assert ([event["position"] for event in rest["data"]], rest["oldest"]) == ([3, 4], 3)
    assert rest["data"] == read(api)["data"]


def test_a_cursor_from_before_a_restored_copy_is_noticed(api: ApiClient, project: Project) -> None:
    record_numbered(project, 2)
    cursor = read(api)["next"]
    LogHead.objects.update(epoch="of another history")
    assert refusal(api, after=cursor) == (410, "events-rewound")
    assert len(read(api)["data"]) == 2


def test_a_cursor_ahead_of_the_log_is_noticed(api: ApiClient, project: Project) -> None:
    record_numbered(project, 1)
    cursor = read(api)["next"].removesuffix("-1") + "-9"
    assert refusal(api, after=cursor) == (410, "events-rewound")


def test_a_cursor_of_an_empty_log_stays_good(api: ApiClient, project: Project) -> None:
    page = read(api)
    assert (page["data"], page["head"], page["oldest"]) == ([], 0, 1)
    (first,) = record_numbered(project, 1)
    assert ids_of(read(api, after=page["next"])) == [first]


@pytest.mark.parametrize(
    ("name", "value"), [("limit", 0), ("limit", 501), ("limit", "x"), ("wait", 31), ("wait", -1)]
)
def test_limits_of_a_page(api: ApiClient, name: str, value: Any) -> None:
    assert refusal(api, **{name: value})[0] == 422


def test_who_cannot_be_let_wait_is_told_when_to_ask_again(api: ApiClient, project: Project) -> None:
    response = api.get("/events", query={"wait": "30"})
    assert response.headers["Tollgate-Poll-After"] == "1"
    record_numbered(project, 1)
    assert "Tollgate-Poll-After" not in api.get("/events", query={"wait": "30"}).headers


def test_a_page_of_a_hundred_costs_two_queries(api: ApiClient, project: Project) -> None:
    record_numbered(project, 100)
    read(api)
    with CaptureQueriesContext(connection) as seen:
        assert len(read(api)["data"]) == 100
    tables = [query["sql"] for query in seen if "events_" in query["sql"]]
    assert len(tables) == 2
