"""Each change of a feature has one event, with the answer as data."""

import pytest

from events.models import OutboxEvent
from projects.models import Project
from tests.api_client import ApiClient

pytestmark = pytest.mark.django_db


def events(project: Project) -> list[OutboxEvent]:
    return list(OutboxEvent.objects.for_project(project).order_by("pk"))


def test_each_change_of_a_feature(api: ApiClient, project: Project) -> None:
    new = {"code": "seats", "name": "Seats", "kind": "limit"}
    feature = api.post("/features", new).json()
    assert api.post("/features", new).status_code == 409
    (event,) = events(project)
    assert (event.type, event.subject, event.data) == ("feature.created", feature["id"], feature)
    assert (event.previous, event.customer_id, event.version) == ({}, "", 0)
    for event_type, change in [
        ("feature.updated", {"name": "Places", "unit": "seats"}),
        ("feature.archived", {"archived": True}),
        ("feature.updated", {"archived": False}),
        ("feature.archived", {"name": "Seats", "archived": True}),
        ("feature.updated", {"unit": "places"}),
    ]:
        for _ in range(2):
            changed = api.patch("/features/seats", change).json()
        event = events(project)[-1]
        assert (event.type, event.data) == (event_type, changed)
        assert event.previous == {
            name: value for name, value in feature.items() if changed[name] != value
        }
        feature = changed
    assert len(events(project)) == 6
    assert api.patch("/features/seats", {"kind": "metered"}).status_code == 422
    assert len(events(project)) == 6


def test_a_metered_feature_starts_its_meter_without_an_event_of_the_meter(
    api: ApiClient, project: Project
) -> None:
    api.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    metered = {"kind": "metered", "meter": "calls", "period": "month"}
    assert api.post("/features", {"code": "api", "name": "API", **metered}).status_code == 201
    assert [event.type for event in events(project)] == ["meter.created", "feature.created"]
