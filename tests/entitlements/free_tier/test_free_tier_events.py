"""Each change of the free tier has one event, with the whole free tier before and after."""

from typing import Any

import pytest

from entitlements.free_tier import service as free_tier
from entitlements.models import Feature
from events.models import OutboxEvent
from projects.models import Project
from tests.api_client import ApiClient
from tests.factories.entitlements import NOW

pytestmark = pytest.mark.django_db


def events(project: Project) -> list[OutboxEvent]:
    rows = OutboxEvent.objects.for_project(project).filter(type__startswith="free_tier.")
    return list(rows.order_by("pk"))


def put(api: ApiClient, **values: object) -> dict[str, object]:
    features = [{"feature": code, "value": value} for code, value in values.items()]
    return dict(api.put("/free-tier", {"features": features}).json())


def test_each_change_over_the_api(
    api: ApiClient, project: Project, seats: Feature, sso: Feature
) -> None:
    before: dict[str, object] = {"features": []}
    for values in ({"seats": 3}, {"seats": 3, "sso": True}, {"seats": 5, "sso": True}, {}):
        for _ in range(2):
            body = put(api, **values)
        event = events(project)[-1]
        assert (event.type, event.subject) == ("free_tier.updated", project.pk)
        assert (event.data, event.previous) == (body, before)
        assert (event.customer_id, event.version) == ("", 0)
        before = body
    assert len(events(project)) == 4
    assert api.put("/free-tier", {"features": [{"feature": "none"}]}).status_code == 422
    assert len(events(project)) == 4


def test_each_change_by_an_operator(project: Project, seats: Feature, sso: Feature) -> None:
    act: dict[str, Any] = {
        "project": project,
        "actor": "operator:ada",
        "at": NOW,
        "reason": "Asked for.",
    }
    free_tier.set_feature(code="seats", value=3, **act)
    free_tier.set_feature(code="sso", value=True, **act)
    free_tier.remove_feature(code="seats", **act)
    free_tier.remove_feature(code="seats", **act)
    features = [[entry["feature"] for entry in event.data["features"]] for event in events(project)]
    assert features == [["seats"], ["seats", "sso"], ["sso"]]
