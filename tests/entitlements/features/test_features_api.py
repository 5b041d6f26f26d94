"""``/features`` defines, renames and archives features."""

import pytest
from django.utils import timezone

from entitlements.features.selectors import rules_version
from entitlements.models import Feature
from events.models import AuditEntry
from tests.api_client import ApiClient
from tests.factories.entitlements import FeatureFactory
from tests.factories.projects import key_of
from tests.factories.usage import MeterFactory

pytestmark = pytest.mark.django_db


def create(api, **fields):
    return api.post("/features", {"code": "sso", "name": "Single sign-on", **fields})


def audited(project):
    entries = AuditEntry.objects.filter(project=project, action__startswith="feature.")
    return [(entry.action, entry.before, entry.after) for entry in entries.order_by("pk")]


def test_defined_feature_is_shown(api, project):
    response = create(api, kind="limit", unit="seats")
    assert response.status_code == 201
    body = response.json()
    assert body == {
        "id": body["id"],
        "code": "sso",
        "name": "Single sign-on",
        "kind": "limit",
        "unit": "seats",
        "merge": "most_generous",
        "meter": None,
        "period": None,
        "anchored": False,
        "created_at": body["created_at"],
        "archived_at": None,
    }
    assert body["id"].startswith("feat_")
    assert api.get("/features/sso").json() == body
    assert api.get("/features").json() == {"data": [body], "next": None, "has_more": False}
    assert audited(project) == [("feature.create", {}, body)]


def test_kind_is_boolean_unless_told_otherwise(api):
    assert create(api).json()["kind"] == "boolean"


def test_metered_feature_names_its_meter_and_its_period(api, other_api, project):
    meter = MeterFactory.create(project=project, code="calls")
    request_body = {"kind": "metered", "merge": "sum", "meter": "calls", "period": "month"}
    body = create(api, **request_body, anchored=True).json()
    assert {name: body[name] for name in request_body} == request_body
    assert body["anchored"] is True
    meter.refresh_from_db()
    assert meter.is_watched
    assert rules_version.read(project) == 1
    assert create(other_api, **request_body).json()["errors"][0]["pointer"] == "#/meter"
    assert rules_version.read(project) == 1


def test_merge_rule_is_the_usual_one_of_the_kind_unless_told_otherwise(api):
    usual = {"boolean": "most_generous", "config": "priority", "credits": "most_generous"}
    for kind, merge in usual.items():
        assert create(api, code=kind, kind=kind).json()["merge"] == merge
    assert create(api, code="cost", kind="credits", merge="priority").json()["merge"] == "priority"


def test_code_is_taken_once_per_project(api, other_api):
    assert create(api).status_code == 201
    again = create(api, name="Other")
    assert (again.status_code, again.json()["code"]) == (409, "feature-exists")
    assert create(other_api).status_code == 201


@pytest.mark.parametrize("code", ["a", "a.b-c_d", "9", "x" * 64])
def test_good_code(api, code):
    assert create(api, code=code).status_code == 201
    assert api.get(f"/features/{code}").status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"code": ""},
        {"code": "SSO"},
        {"code": "-a"},
        {"code": "a."},
        {"code": "a b"},
        {"code": "a\n"},
        {"code": "ä"},
        {"code": "x" * 65},
        {"code": None},
        {"code": " sso"},
        {"name": ""},
        {"name": "x" * 121},
        {"kind": "metered"},
        {"kind": None},
        {"kind": "metered", "meter": "nothing", "period": "month"},
        {"kind": "metered", "meter": "calls"},
        {"kind": "metered", "meter": "old", "period": "month"},
        {"kind": "metered", "meter": "calls", "period": "fortnight"},
        {"kind": "metered", "period": "month"},
        {"kind": "limit", "meter": "calls", "period": "month"},
        {"kind": "limit", "anchored": True},
        {"kind": "boolean", "merge": "sum"},
        {"kind": "config", "merge": "most_generous"},
        {"kind": "credits", "merge": "sum"},
        {"merge": "best"},
        {"unit": "x" * 41},
        {"surprise": 1},
        {"id": "feat_1"},
        {"archived_at": "2026-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_bad_feature_is_refused_and_nothing_is_stored(api, project, fields):
    MeterFactory.create(project=project, code="calls")
    MeterFactory.create(project=project, code="old", archived_at=timezone.now())
    response = create(api, **fields)
    assert response.status_code == 422
    assert response.json()["errors"]
    assert not Feature.objects.across_projects().exists()


@pytest.mark.parametrize("name", ["a\x00b", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(api, name):
    assert create(api, name=name).status_code == 400


def test_rename_archive_restore(api, project):
    created = create(api).json()
    renamed = api.patch("/features/sso", {"name": "SSO", "unit": "users"}).json()
    assert renamed == {**created, "name": "SSO", "unit": "users"}
    archived = api.patch("/features/sso", {"archived": True}).json()
    assert archived["archived_at"]
    assert api.patch("/features/sso", {"archived": True}).json() == archived
    assert api.patch("/features/sso", {}).json() == archived
    restored = api.patch("/features/sso", {"archived": False}).json()
    assert restored == renamed
    assert audited(project)[1:] == [
        ("feature.change", created, renamed),
        ("feature.change", renamed, archived),
        ("feature.change", archived, restored),
    ]


@pytest.mark.parametrize(
    "changes", [{"code": "other"}, {"kind": "limit"}, {"name": ""}, {"archived": "maybe"}, [], 7]
)
def test_what_never_changes_cannot_be_changed(api, changes):
    created = create(api).json()
    assert api.patch("/features/sso", changes).status_code == 422
    assert api.get("/features/sso").json() == created


def test_list_is_newest_first_in_pages_and_can_leave_out_the_archived(api, project):
    codes = [FeatureFactory.create(project=project).code for _ in range(5)]
    api.patch(f"/features/{codes[0]}", {"archived": True})
    page = api.get("/features", query={"limit": 2}).json()
    assert [row["code"] for row in page["data"]] == [codes[4], codes[3]]
    following = api.get(page["next"]).json()
    assert [row["code"] for row in following["data"]] == [codes[2], codes[1]]
    assert following["has_more"]
    live = api.get("/features", query={"archived": "false"}).json()["data"]
    assert [row["code"] for row in live] == codes[:0:-1]
    gone = api.get("/features", query={"archived": "true"}).json()["data"]
    assert [row["code"] for row in gone] == codes[:1]


@pytest.mark.parametrize(
    "query", [{"archived": "maybe"}, {"surprise": "1"}, {"limit": "0"}, {"cursor": "feat_x"}]
)
def test_bad_query_is_refused(api, query):
    assert api.get("/features", query=query).status_code == 422


def test_neighbours_feature_is_as_absent_as_none(api, other_api, project):
    other_feature = FeatureFactory.create(project=project, code="sso")
    for code in ("sso", "nothing", other_feature.pk):
        for call in (
            lambda code=code: other_api.get(f"/features/{code}"),
            lambda code=code: other_api.patch(f"/features/{code}", {"name": "Mine"}),
        ):
            response = call()
            body = response.json()
            body.pop("request_id")
            assert response.status_code == 404
            assert body == {
                "type": "http://localhost:8000/docs/errors#not-found",
                "title": "There is no such resource.",
                "status": 404,
                "code": "not-found",
                "detail": "No feature with this code. GET /features lists them.",
            }
    assert other_api.get("/features").json()["data"] == []


@pytest.mark.parametrize("code", ["%ED%A0%80", "a%2Fb", "SSO", "x" * 300])
def test_odd_code_in_the_path_is_not_found(api, code):
    response = api.get(f"/features/{code}")
    assert (response.status_code, response.json()["code"]) == (404, "not-found")


def test_nul_in_the_path_is_refused(api):
    assert api.get("/features/%00").status_code == 400


def test_scopes(project):
    FeatureFactory.create(project=project, code="sso")
    reader = ApiClient(key_of(project, scopes=["catalog:read"]))
    assert reader.get("/features").status_code == 200
    assert reader.get("/features/sso").status_code == 200
    assert create(reader, code="new").status_code == 403
    assert reader.patch("/features/sso", {"name": "x"}).status_code == 403
    writer = ApiClient(key_of(project, scopes=["catalog:write"]))
    assert writer.get("/features").status_code == 403
    assert create(writer, code="new").status_code == 201
