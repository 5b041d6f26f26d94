"""``/usage`` and ``/meters`` record, sum and correct a tenant's usage."""

import json
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from events.models import AuditEntry
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.factories.projects import CustomerFactory, key_of
from tests.factories.usage import MeterFactory
from tests.usage.usage_bodies import body_of, record_body
from usage.models import Record, Total
from usage.records import insert_records
from usage.records.api import fast_path
from usage.records.columns import RecordColumns
from usage.records.row import RecordRow
from usage.totals import record_ids
from usage.totals.aggregation import add_up_by_hour

pytestmark = pytest.mark.django_db


def test_a_meter_is_defined_once_renamed_and_archived(api: ApiClient) -> None:
    new = {"code": "bytes", "name": "Traffic", "aggregation": "sum", "unit": "bytes"}
    body = body_of(api.post("/meters", new), 201)

    assert body == {
        "id": body["id"],
        **new,
        "created_at": body["created_at"],
        "archived_at": None,
    }
    assert body_of(api.post("/meters", new), 409)["code"] == "meter-exists"
    for wrong in ({"aggregation": "mean"}, {"code": "Bytes"}, {"is_forwarded": True}):
        assert body_of(api.post("/meters", {**new, **wrong}), 422)["code"] == "invalid"
    assert body_of(api.patch("/meters/bytes", {"aggregation": "max"}), 422)["code"] == "invalid"
    renamed = body_of(api.patch("/meters/bytes", {"name": "Data", "archived": True}))
    assert (renamed["name"], renamed["archived_at"] is None) == ("Data", False)
    assert body_of(api.get("/meters/bytes")) == renamed
    assert body_of(api.get("/meters", query={"archived": "true"}))["data"] == [renamed]
    assert body_of(api.get("/meters/other"), 404)["code"] == "not-found"
    refused = body_of(api.post("/usage", record_body()), 409)
    assert refused["code"] == "meter-archived"
    entries = AuditEntry.objects.filter(subject=body["id"]).order_by("id")
    actions = entries.values_list("action", flat=True)
    assert list(actions) == ["meter.create", "meter.change"]


def test_one_record_is_made_repeated_or_refused(api: ApiClient, meter: Any) -> None:
    body = body_of(api.post("/usage", record_body(key="k")), 201)
    assert body == {"status": "recorded", "id": body["id"]}
    assert body_of(api.post("/usage", record_body(key="k"))) == {
        "status": "duplicate",
        "id": body["id"],
    }
    assert (
        body_of(api.post("/usage", record_body(key="k", value=6)), 409)["code"]
        == "usage-key-reused"
    )
    now = timezone.now()
    refusals: dict[str, dict[str, Any]] = {
        "meter-unknown": {"meter": "other"},
        "usage-value-invalid": {"value": -1},
        "usage-in-future": {"occurred_at": (now + timedelta(minutes=6)).isoformat()},
        "usage-too-old": {"occurred_at": (now - timedelta(days=36)).isoformat()},
    }
    for code, wrong in refusals.items():
        problem = body_of(api.post("/usage", record_body(**wrong)), 422)
        assert (problem["code"], bool(problem["detail"])) == (code, True)
    assert Record.objects.for_project(meter.project_id).count() == 1


def test_a_batch_has_an_outcome_for_each(api: ApiClient, meter: Any) -> None:
    batch = [
        record_body(key="a"),
        record_body(key="a"),
        record_body(meter="other"),
        record_body(value="x"),
        record_body(key="a", value=6),
    ]

    answer = body_of(api.post("/usage", {"records": batch}))

    first = answer["data"][0]["id"]
    assert [each.get("id", each.get("code")) for each in answer["data"]] == [
        *(first, first),
        *("meter-unknown", "usage-value-invalid", "usage-key-reused"),
    ]
    counts = {name: answer[name] for name in ("recorded", "duplicates", "refused")}
    assert counts == {"recorded": 1, "duplicates": 1, "refused": 3}


def test_a_neighbours_customer_is_never_counted_for(
    api: ApiClient, project: Project, other_project: Project, meter: Any
) -> None:
    other_customer = CustomerFactory.create(project=other_project, user_id="eve")

    body_of(
        api.post(
            "/usage",
            {"records": [record_body(user_id=other_customer.pk, key="a"), record_body(key="b")]},
        )
    )
    body_of(api.post("/usage", {"records": [record_body(user_id="eve", key="c")]}))

    counted = Record.objects.across_projects().values_list("customer_id", flat=True)
    mine = Customer.objects.for_project(project).values_list("pk", flat=True)
    assert other_customer.pk not in counted
    assert set(counted) <= set(mine)


def test_the_database_refuses_totals_of_a_neighbours_customer_or_meter(
    project: Project, other_project: Project, meter: Any
) -> None:
    mine, other_customer = (
        CustomerFactory.create(project=each, user_id="ada") for each in (project, other_project)
    )
    foreign = MeterFactory.create(project=other_project, code="bytes")
    at = timezone.now()
    pairs = ((other_customer.pk, meter), (mine.pk, foreign))
    for (customer_id, each), is_whole in product(pairs, (False, True)):
        rows = RecordColumns.of(
            [RecordRow(record_ids.new_id(at), customer_id, each.pk, at, 5, None) for _ in range(2)]
        )
        if is_whole:
            insert_records.insert_new(
                project_id=project.pk,
                records=rows,
                changes=add_up_by_hour(
                    customer_ids=rows.customer_ids,
                    meter_ids=rows.meter_ids,
                    values=rows.values,
                    moments=rows.moments,
                ),
                at=at,
            )
        else:
            insert_records.insert(project_id=project.pk, records=rows, at=at)
        with pytest.raises(IntegrityError, match="tenant_fk"), transaction.atomic():
            connection.check_constraints()
        Total.objects.for_project(project).all().delete()


def test_a_full_batch_of_long_records_fits_and_one_more_does_not(
    api: ApiClient, meter: Any
) -> None:
    records = [
        record_body(
            user_id="u" * 200, key=f"{number:0>200}", occurred_at=timezone.now().isoformat()
        )
        for number in range(1001)
    ]
    assert body_of(api.post("/usage", {"records": records[:1000]}))["recorded"] == 1000
    assert body_of(api.post("/usage", {"records": records}), 422)["code"] == "invalid"
    assert body_of(api.post("/usage", {"records": []}), 422)["code"] == "invalid"
    large = api.post("/usage", {"records": [record_body(key="k" * 255, user_id="é" * 255)] * 600})
    assert body_of(large, 413)["code"] == "body-too-large"


ODD = [
    b"",
    b"null",
    b"[]",
    b'"records"',
    b'{"records": null}',
    b'{"records": {"user_id": "ada"}}',
    b'{"records": [null]}',
    b'{"records": [[]]}',
    b'{"records": [{"user_id": "ada", "meter": "bytes", "value": 5}], "more": 1}',
    b'{"user_id": "ada", "meter": "bytes", "value": 5, "records": []}',
    b'{"user_id": "ada", "user_id": "bob", "meter": "bytes", "value": 5}',
    b'{"user_id": "ada", "user\\u005fid": "bob", "meter": "bytes", "value": 5}',
    b'{"user_id": "a\\u0000", "meter": "bytes", "value": 5}',
    b'{"user_id": "\\ud800", "meter": "bytes", "value": 5}',
    b'{"user_id": "\xff", "meter": "bytes", "value": 5}',
    b'{"user_id": "", "meter": "bytes", "value": 5}',
    b'{"user_id": null, "meter": "bytes", "value": 5}',
    b'{"meter": "bytes", "value": 5}',
    b'{"user_id": "ada", "value": 5}',
    *(
        b'{"user_id": "ada", "meter": "bytes", "value": %s}' % value
        for value in (b"5.0", b"1e3", b"true", b"null", b"[]", b"{}", b"NaN", b"9" * 19, b"9" * 400)
    ),
    *(
        b'{"user_id": "ada", "meter": "bytes", "value": 5, "occurred_at": %s}' % moment
        for moment in (
            b'"soon"',
            b"0",
            b"null",
            b'"2026-02-30T00:00:00Z"',
            b'"0001-01-01T00:00:00+14:00"',
        )
    ),
    b'{"user_id": "ada", "meter": "bytes", "value": 5, "key": ""}',
    b'{"user_id": "ada", "meter": "bytes", "value": 5, "key": "' + b"k" * 256 + b'"}',
    b'{"user_id": "' + b"u" * 256 + b'", "meter": "bytes", "value": 5}',
    b"[" * 10_000,
]


def test_malformed_bodies_are_refused_and_store_nothing(api: ApiClient, meter: Any) -> None:
    for body in ODD:
        response = raw(api, body)
        assert response.status_code in (400, 422), (body[:100], response.content)
        assert response.headers["Content-Type"] == "application/problem+json"
    assert not Record.objects.for_project(meter.project_id).exists()


def raw(api: ApiClient, body: bytes, **headers: str) -> Any:
    return api._client.post(
        "/api/v1/usage",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {api.key}", **headers},
    )


def test_common_bodies_are_read_as_the_serializers_read_them(api: ApiClient, meter: Any) -> None:
    """The same record, written so that it goes the short way and the long one, is a duplicate."""
    moment = timezone.now().replace(microsecond=120000)
    for number, body in enumerate(
        [
            record_body(user_id="Zoë ✨", key="ключ"),
            record_body(occurred_at=moment.isoformat()),
            record_body(occurred_at=moment.isoformat().replace("+00:00", "Z")),
            record_body(
                occurred_at="2026-11-21T12:00:00.5-03:30".replace(
                    "2026-11-21", f"{moment:%Y-%m-%d}"
                )
            ),
            record_body(value=0),
        ]
    ):
        plain = {"key": f"key-{number}", **body}
        short = json.dumps(plain, ensure_ascii=False).encode()
        long = json.dumps({**plain, "user_id": f" {plain['user_id']} "}).encode()
        assert fast_path.parse_entries(short) is not None
        assert fast_path.parse_entries(long) is None
        first, second = raw(api, short), raw(api, long)
        if first.status_code == 201:
            assert body_of(second) == {"status": "duplicate", "id": first.json()["id"]}
        else:
            assert (first.json()["code"], second.json()["code"]) == ("usage-in-future",) * 2


def test_writing_and_reading_need_their_scopes(
    api: ApiClient, project: Project, meter: Any
) -> None:
    reader = ApiClient(key_of(project, scopes=["usage:read"]))
    writer = ApiClient(key_of(project, scopes=["usage:write"]))

    for body in (record_body(), {"records": [record_body()]}, {"odd": 1}):
        assert body_of(ApiClient().post("/usage", body), 401)["code"] == "key-required"
        assert body_of(ApiClient("tg_test_no").post("/usage", body), 401)["code"] == "invalid-key"
        assert body_of(reader.post("/usage", body), 403)["code"] == "scope-missing"
    response_body = body_of(writer.post("/usage", record_body()), 201)
    assert body_of(writer.get("/usage", query={"user_id": "ada", "meter": "bytes"}), 403)
    assert (
        body_of(reader.post(f"/usage/{response_body['id']}/void"), 403)["code"] == "scope-missing"
    )


def test_the_same_request_under_an_idempotency_key_is_carried_out_once(
    api: ApiClient, meter: Any
) -> None:
    headers = {"Idempotency-Key": "once"}
    first, second = (api.post("/usage", record_body(), headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Record.objects.for_project(meter.project_id).count() == 1
