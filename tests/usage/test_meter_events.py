"""Each change of a meter has one event, with the answer as data."""

import pytest

from events.models import OutboxEvent
from projects.models import Project
from tests.api_client import ApiClient
from tests.usage.usage_bodies import body_of

pytestmark = pytest.mark.django_db


def events(project: Project) -> list[OutboxEvent]:
    return list(OutboxEvent.objects.for_project(project).order_by("pk"))


def test_each_change_of_a_meter(api: ApiClient, project: Project) -> None:
    new = {"code": "bytes", "name": "Traffic", "aggregation": "sum"}
    meter = body_of(api.post("/meters", new), 201)
    body_of(api.post("/meters", new), 409)
    (event,) = events(project)
    assert (event.type, event.subject, event.data) == ("meter.created", meter["id"], meter)
    assert (event.previous, event.customer_id, event.version) == ({}, "", 0)
    for event_type, change in [
        ("meter.updated", {"name": "Data", "unit": "bytes"}),
        ("meter.archived", {"archived": True}),
        ("meter.updated", {"archived": False}),
        ("meter.archived", {"name": "Traffic", "archived": True}),
        ("meter.updated", {"name": "Old traffic"}),
    ]:
        for _ in range(2):
            changed = body_of(api.patch("/meters/bytes", change))
        event = events(project)[-1]
        assert (event.type, event.data) == (event_type, changed)
        assert event.previous == {
            name: value for name, value in meter.items() if changed[name] != value
        }
        meter = changed
    assert len(events(project)) == 6
    body_of(api.patch("/meters/bytes", {"aggregation": "max"}), 422)
    assert len(events(project)) == 6
