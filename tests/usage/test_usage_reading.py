"""``/usage`` sums, lists, voids and corrects a tenant's records."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.factories.projects import key_of
from tests.factories.usage import MeterFactory
from tests.usage import law
from tests.usage.usage_bodies import Json, body_of, record_body

pytestmark = pytest.mark.django_db


def test_usage_is_summed_by_hour_day_and_month(api: ApiClient, project: Project) -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    yesterday, values = now - timedelta(days=1), {"unique": ["x", "y", "x"]}
    expected = {"count": (3, 2), "sum": (16, 12), "max": (9, 9), "last": (4, 9), "unique": (2, 2)}
    for kind, (whole, early) in expected.items():
        body_of(api.post("/meters", {"code": kind, "name": kind, "aggregation": kind}), 201)
        first, second, third = values.get(kind, [3, 9, 4])
        batch = [
            record_body(meter=kind, value=first, occurred_at=yesterday.isoformat()),
            record_body(
                meter=kind,
                value=second,
                occurred_at=(yesterday + timedelta(minutes=59)).isoformat(),
            ),
            record_body(meter=kind, value=third, occurred_at=now.isoformat()),
        ]
        assert body_of(api.post("/usage", {"records": batch}))["recorded"] == 3
        query = {"user_id": "ada", "meter": kind, "from": yesterday.isoformat()}
        by_hour = body_of(api.get("/usage", query={**query, "group_by": "hour"}))
        assert by_hour["value"] == whole
        assert [(each["starts_at"], each["value"]) for each in by_hour["groups"]] == [
            (iso_time(yesterday), early),
            (iso_time(now), {"count": 1, "unique": 1}.get(kind, 4)),
        ]
        assert by_hour["to"] == iso_time(now + timedelta(hours=1))
        by_day = body_of(api.get("/usage", query={**query, "group_by": "day"}))
        assert [each["value"] for each in by_day["groups"]] == [
            each["value"] for each in by_hour["groups"]
        ]
        assert by_day["groups"][0]["starts_at"] == iso_time(yesterday.replace(hour=0))
        only = body_of(api.get("/usage", query={**query, "to": now.isoformat()}))
        assert (only["value"], only["groups"]) == (early, [])
    assert law.is_kept(project)


def iso_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_invalid_queries_are_refused(api: ApiClient, meter: Any) -> None:
    body_of(api.post("/usage", record_body()), 201)
    body = {"user_id": "ada", "meter": "bytes"}
    odd: list[Json] = [
        {"from": "2026-11-21T12:30:00Z"},
        {"from": "1999-12-31T23:00:00Z"},
        {"to": "2200-01-01T01:00:00Z"},
        {"from": "2026-11-21T12:00:00Z", "to": "2026-11-21T12:00:00Z"},
        {"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z", "group_by": "hour"},
        {"group_by": "week"},
        {"since": "2026-11-21T12:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00"},
    ]
    for wrong in odd:
        assert body_of(api.get("/usage", query={**body, **wrong}), 422)["code"] == "invalid", wrong
    for path in ("/usage", "/usage/records"):
        assert body_of(api.get(path, query={**body, "meter": "other"}), 404)["code"] == "not-found"
    for cursor in ("x", "1.use_1", f"{'9' * 17}.use_{'0' * 26}", "٣.use_" + "0" * 26):
        query = {**body, "cursor": cursor}
        assert body_of(api.get("/usage/records", query=query), 422)["code"] == "invalid"


def test_an_unknown_user_has_used_nothing(api: ApiClient, meter: Any) -> None:
    body = {"user_id": "nobody", "meter": "bytes"}
    used = body_of(api.get("/usage", query={**body, "group_by": "day"}), 200)
    assert (used["user_id"], used["value"], used["groups"]) == ("nobody", 0, [])
    assert body_of(api.get("/usage/records", query=body), 200)["data"] == []
    assert not Customer.objects.across_projects().filter(user_id="nobody").exists()


def test_records_are_listed_page_by_page_in_a_fixed_number_of_queries(
    api: ApiClient, meter: Any
) -> None:
    moment = timezone.now()
    batch = [
        record_body(key=f"k{n}", occurred_at=(moment - timedelta(hours=n // 2)).isoformat())
        for n in range(7)
    ]
    ids = [each["id"] for each in body_of(api.post("/usage", {"records": batch}))["data"]]
    query = {"user_id": "ada", "meter": "bytes"}

    pages, path = [], "/usage/records?user_id=ada&meter=bytes&limit=3"
    while path:
        page = body_of(api.get(path))
        pages.append([each["id"] for each in page["data"]])
        path = page["next"]

    assert [len(page) for page in pages] == [3, 3, 1]
    listed = [id_ for page in pages for id_ in page]
    hours = [sorted(ids[number : number + 2], reverse=True) for number in range(0, 7, 2)]
    assert listed == [id_ for hour in hours for id_ in hour]
    hour_ago = {**query, "to": (moment - timedelta(minutes=1)).isoformat()}
    assert len(body_of(api.get("/usage/records", query=hour_ago))["data"]) == 5
    counts = []
    for limit in (1, 7):
        with CaptureQueriesContext(connection) as queries:
            api.get("/usage/records", query={**query, "limit": limit})
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_record_is_voided_or_corrected_once(api: ApiClient, meter: Any) -> None:
    ids = [body_of(api.post("/usage", record_body(value=value)), 201)["id"] for value in (5, 7, 11)]

    def used() -> int:
        return int(body_of(api.get("/usage", query={"user_id": "ada", "meter": "bytes"}))["value"])

    gone, again = (body_of(api.post(f"/usage/{ids[0]}/void")) for _ in range(2))
    assert gone == again
    assert gone == {
        "id": ids[0],
        "user_id": "ada",
        "meter": "bytes",
        "value": 5,
        "occurred_at": gone["occurred_at"],
        "recorded_at": gone["recorded_at"],
        "corrects": None,
        "voided_at": gone["voided_at"],
        "stripe_status": None,
        "stripe_error": None,
    }
    assert used() == 18
    better, same = (
        body_of(api.post(f"/usage/{ids[1]}/correct", {"value": 8}), 201) for _ in range(2)
    )
    assert better == same
    assert (better["corrects"], better["value"], used()) == (ids[1], 8, 19)
    for record, value in ((ids[0], 5), (ids[1], 9)):
        refused = body_of(api.post(f"/usage/{record}/correct", {"value": value}), 409)
        assert refused["code"] == "usage-voided"
    for wrong in ({"value": -1}, {"value": "x"}, {"value": True}, {"value": None}, {}):
        assert body_of(api.post(f"/usage/{ids[2]}/correct", wrong), 422)
    body_of(api.post(f"/usage/{better['id']}/correct", {"value": 1}), 201)
    assert used() == 12
    for missing in ("use_" + "0" * 26, "x", "%00"):
        assert api.post(f"/usage/{missing}/void").status_code in (400, 404)
    counted = MeterFactory.create(
        project_id=meter.project_id, project=None, code="jobs", aggregation="count"
    )
    job = body_of(api.post("/usage", record_body(meter=counted.code)), 201)["id"]
    assert (
        body_of(api.post(f"/usage/{job}/correct", {"value": 2}), 422)["code"]
        == "usage-value-invalid"
    )
    assert law.is_kept(meter.project)


def test_a_neighbours_record_is_not_found(
    api: ApiClient, other_project: Project, meter: Any
) -> None:
    record = body_of(api.post("/usage", record_body(value=5)), 201)["id"]
    stranger = ApiClient(key_of(other_project))

    for answer in (
        stranger.post(f"/usage/{record}/void"),
        stranger.post(f"/usage/{record}/correct", {"value": 1}),
    ):
        assert body_of(answer, 404)["code"] == "not-found"
    used = api.get("/usage", query={"user_id": "ada", "meter": "bytes"})
    assert body_of(used)["value"] == 5
