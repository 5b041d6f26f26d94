"""Replays over the API: spans of time, and the walls between endpoints."""

from datetime import timedelta
from typing import Any

import pytest

from events.log import sequencer
from projects.models import Project
from tests.api_client import ApiClient
from tests.delivery.sender.receivers import receiving
from tests.delivery.webhooks.dispatching import Dispatching, header
from tests.delivery.webhooks.test_api import create
from tests.events.log.recording import NOW, record, record_at

pytestmark = pytest.mark.django_db


def test_a_replay_of_a_span_of_time_ends_before_it(api: ApiClient, project: Project) -> None:
    record_at(project, second=1)
    record_at(project, second=2)
    sequencer.run()
    path = f"/webhook-endpoints/{create(api)['id']}/replays"
    moment = NOW + timedelta(seconds=2)
    span = {"since": "2020-01-01T00:00:00Z", "before": moment.isoformat()}
    replay = api.post(path, span).json()
    assert (replay["after"], replay["until"]) == (0, 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"after": 0, "until": 1, "before": "2030-01-01T00:00:00Z"}, "until"),
        ({"since": "2026-01-02T00:00:00Z", "before": "2026-01-01T00:00:00Z"}, "before"),
        ({"after": 0, "before": "yesterday"}, "before"),
        ({"after": 0, "before": "2020-01-01T00:00:00Z"}, "after"),
    ],
)
def test_a_span_of_time_that_is_none_is_refused(
    api: ApiClient, project: Project, body: dict[str, Any], field: str
) -> None:
    record(project, "cus_1", 1)
    sequencer.run()
    response = api.post(f"/webhook-endpoints/{create(api)['id']}/replays", body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"#/{field}"


def test_replays_of_other_endpoints_are_not_here(api: ApiClient, project: Project) -> None:
    record(project, "cus_1", 1)
    sequencer.run()
    one, other = (f"/webhook-endpoints/{create(api)['id']}" for _ in range(2))
    replay = api.post(f"{one}/replays", {"after": 0}).json()
    assert api.get(f"{other}/replays/{replay['id']}").status_code == 404
    assert api.post(f"{other}/replays/{replay['id']}/cancel").status_code == 404
    assert api.get(f"{other}/replays").json()["data"] == []
    check = api.post(f"{one}/checks").json()
    assert api.get(f"{other}/checks/{check['id']}").status_code == 404


def test_deliveries_of_other_endpoints_are_not_here(
    api: ApiClient, project: Project, dispatching: Dispatching
) -> None:
    with receiving() as receiver:
        one, other = (create(api, url=receiver.url())["id"] for _ in range(2))
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
    [delivery, *_] = api.get(f"/webhook-endpoints/{one}/deliveries").json()["data"]
    path = f"/webhook-endpoints/{other}/deliveries/{delivery['id']}"
    assert api.get(path).status_code == 404
    assert api.post(f"{path}/send-again").status_code == 404


def test_the_replay_of_a_disabled_endpoint_waits_until_it_is_enabled(
    api: ApiClient, project: Project, dispatching: Dispatching
) -> None:
    event_id = record(project, "cus_1", 1)
    sequencer.run()
    with receiving() as receiver:
        path = f"/webhook-endpoints/{create(api, url=receiver.url())['id']}"
        api.patch(path, {"enabled": False})
        replay = api.post(f"{path}/replays", {"after": 0}).json()
        dispatching.settle()
        assert receiver.requests == []
        assert api.get(f"{path}/replays/{replay['id']}").json()["state"] == "running"
        api.patch(path, {"enabled": True})
        dispatching.move(minutes=1)
        dispatching.settle()
        again = [each for each in receiver.requests if header(each, "tollgate-replay")]
        assert [header(each, "webhook-id") for each in again] == [event_id]
        assert api.get(f"{path}/replays/{replay['id']}").json()["state"] == "completed"
