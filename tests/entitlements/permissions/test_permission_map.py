"""The map is checked, replaced as a whole and audited; users get the set that follows from it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from entitlements.free_tier import rechecks
from entitlements.grants import service as grants
from entitlements.models import Feature, PermissionMap, UserPermissions
from events.models import AuditEntry
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.billing import outbox_events
from tests.factories.entitlements import FeatureFactory, grant
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db
CHANGED = "user.permissions_changed"
MAP = {"features": [{"feature": "sso", "permissions": ["sso.use", "sso.configure"]}]}


def put_map(api: ApiClient, project: Project, body: Any) -> Any:
    return api.put(f"/projects/{project.pk}/permission-map", body)


def get_map(api: ApiClient, project: Project) -> Any:
    return api.get(f"/projects/{project.pk}/permission-map")


def published(project: Project) -> list[tuple[str, list[str], list[str]]]:
    """User, permissions and the permissions before, of each event."""
    return [
        (event.data["user_id"], event.data["permissions"], event.previous["permissions"])
        for event in outbox_events.events(project, CHANGED)
    ]


def test_a_grant_gives_the_permissions_and_its_end_takes_them(
    api: ApiClient, project: Project, customer: Customer, sso: Feature, seats: Feature
) -> None:
    assert put_map(api, project, MAP).status_code == 200
    now = timezone.now()
    grant(customer, (seats, 5), at=now)
    assert published(project) == []
    row = grant(customer, sso, at=now)
    granted = ["sso.configure", "sso.use"]
    assert published(project) == [("ada", granted, [])]
    assert outbox_events.last(project, CHANGED).data == {
        "user_id": "ada",
        "customer": customer.pk,
        "version": outbox_events.last(project, "entitlements.changed").version,
        "permissions": granted,
    }
    grants.revoke(grant=row, reason="Over.", actor="operator:ada", at=now)
    assert published(project)[1:] == [("ada", [], granted)]


def test_a_permission_of_two_features_stays_while_one_of_them_does(
    api: ApiClient, project: Project, customer: Customer, sso: Feature
) -> None:
    FeatureFactory.create(project=project, code="audit")
    both = [{"feature": code, "permissions": ["read"]} for code in ("audit", "sso")]
    put_map(api, project, {"features": both})
    now = timezone.now()
    audit = Feature.objects.for_project(project).get(code="audit")
    first = grant(customer, sso, at=now)
    grant(customer, audit, at=now)
    grants.revoke(grant=first, reason="Over.", actor="operator:ada", at=now)
    assert published(project) == [("ada", ["read"], [])]


def test_without_a_map_nothing_is_recorded(
    project: Project, customer: Customer, sso: Feature
) -> None:
    grant(customer, sso, at=timezone.now())
    assert published(project) == []
    assert not UserPermissions.objects.for_project(project).exists()


def test_a_new_map_is_announced_to_those_it_concerns(
    api: ApiClient, other_api: ApiClient, project: Project, customer: Customer, sso: Feature
) -> None:
    """In the background, once; also if no decision has changed."""
    CustomerFactory.create(project=project, user_id="bob")
    now = timezone.now()
    grant(customer, sso, at=now)
    decided = len(outbox_events.events(project, "entitlements.changed"))
    put_map(api, project, MAP)
    assert published(project) == []
    rechecks.run_due(at=now)
    rechecks.run_due(at=now)
    put_map(api, project, {"features": [{"feature": "sso", "permissions": ["sso.use"]}]})
    rechecks.run_due(at=now)
    put_map(api, project, {"features": []})
    rechecks.run_due(at=now)
    assert published(project) == [
        ("ada", ["sso.configure", "sso.use"], []),
        ("ada", ["sso.use"], ["sso.configure", "sso.use"]),
        ("ada", [], ["sso.use"]),
    ]
    assert len(outbox_events.events(project, "entitlements.changed")) == decided


def test_time_takes_permissions_away(
    api: ApiClient, project: Project, customer: Customer, sso: Feature
) -> None:
    put_map(api, project, MAP)
    now = timezone.now()
    grant(customer, sso, at=now, expires_at=now + timedelta(hours=1))
    grants.expire_due(at=now + timedelta(hours=2), limit=10)
    assert [after for _, after, _ in published(project)] == [["sso.configure", "sso.use"], []]


def test_the_map_of_one_project_is_no_other_projects(
    api: ApiClient, other_api: ApiClient, project: Project, other_project: Project, sso: Feature
) -> None:
    put_map(api, project, MAP)
    assert get_map(other_api, other_project).json() == {"features": []}
    assert put_map(other_api, other_project, MAP).status_code == 422
    assert not PermissionMap.objects.for_project(other_project).exists()
    assert get_map(api, project).json() == {
        "features": [{"feature": "sso", "permissions": ["sso.configure", "sso.use"]}]
    }


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": "nothing", "permissions": ["a"]},
        {"feature": "sso", "permissions": ["two words"]},
        {"feature": "sso", "permissions": ["ä"]},
        {"feature": "sso", "permissions": [f"p{number}" for number in range(21)]},
        {"feature": "sso", "permissions": "a"},
        {"feature": "sso"},
    ],
)
def test_what_is_no_map_is_refused(
    api: ApiClient, project: Project, sso: Feature, feature: Any
) -> None:
    assert put_map(api, project, {"features": [feature]}).status_code == 422
    assert not PermissionMap.objects.for_project(project).exists()


def test_a_feature_is_named_once(api: ApiClient, project: Project, sso: Feature) -> None:
    assert put_map(api, project, {"features": MAP["features"] * 2}).status_code == 422


def test_an_equal_map_changes_nothing(api: ApiClient, project: Project, sso: Feature) -> None:
    put_map(api, project, MAP)
    put_map(api, project, MAP)
    entries = AuditEntry.objects.filter(action="project.set_permission_map", subject=project.pk)
    (entry,) = entries
    assert entry.after == {"sso": ["sso.configure", "sso.use"]}
