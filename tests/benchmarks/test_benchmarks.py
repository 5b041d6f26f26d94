"""Benchmarks report what they measured, and load rows that the product would write."""

import dataclasses
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from benchmarks import bulk_data, bulk_log, h2load, measured_project, report, wrk
from benchmarks.__main__ import main
from benchmarks.measurements import Measurements, Ratio
from benchmarks.sizes import QUICK
from events.catalog import EventType
from events.log import outbox, sequencer
from events.models import LoggedEvent, LogHead
from projects.models import Customer, Project
from tests.api_client import ApiClient
from usage.models import Record, RecordKey, Total

TINY = dataclasses.replace(QUICK, crowd=20, projects=3, customers=60, records=120, events=180)


def test_a_ratio_compares_figures_of_the_same_round() -> None:
    measurements = Measurements()
    for own_figure, other_figure in ((50, 100), (5, 10), (30, 40)):
        measurements.add("ours", own_figure)
        measurements.add("theirs", other_figure)
    ratio = Ratio("ours : theirs", "ours", "theirs", 0.6)
    assert ratio.of(measurements) == [0.5, 0.5, 0.75]
    assert Ratio("x", "ours", "theirs", factor=100).of(measurements) == [50, 50, 75]
    assert Ratio("x", "ours", "nobody").of(measurements) == []


def test_the_table_marks_missed_targets_and_missing_measurements() -> None:
    measurements = Measurements()
    for own_figure in (700, 900, 840):
        measurements.add(report.case_name(report.WARM), own_figure)
        measurements.add(report.BARE, 1000)
    markdown = report.render_markdown(
        measurements,
        size=QUICK,
        machine="2 cores",
        pages={"home": (12, 3.5)},
        now=datetime(2026, 11, 21, 12, tzinfo=UTC),
    )
    assert "| check, warm in the process : bare view | 0.84 ✗ | 0.70 | 0.90 | ≥ 0.85 |" in markdown
    assert "| consume : bare UPDATE … RETURNING view | not measured | | | ≥ 0.8 |" in markdown
    assert "| console home with that data, queries | 12 | | | < 15 |" in markdown
    assert "| bare view | 1,000 | 1,000 | 1,000 |  |" in markdown
    assert markdown.startswith("Measured on 2026-11-21 12:00 UTC: 2 cores; 20 projects, 20,000")


def test_failed_responses_are_counted() -> None:
    output = """  4028 requests in 2.01s, 1.03MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 7
Requests/sec:   2003.98
Transfer/sec:    524.50KB
"""
    assert wrk.parse_output(output) == wrk.LoadResult(2003.98, 4028, 2.01, bad=10)
    timed = output + "  Latency Distribution\n     50%    1.02ms\n     99%    1.25s\n"
    assert wrk.parse_output(timed).p99_ms == 1250


@pytest.mark.parametrize(("data", "bad"), [(77462, 2), (0, 11068)])
def test_the_output_of_h2load_is_parsed(data: int, bad: int) -> None:
    """An answer without a message is a refusal."""
    output = f"""
finished in 1.00s, 11066.00 req/s, 421.71KB/s
requests: 11066 total, 11074 started, 11068 done, 11066 succeeded, 2 failed, 0 errored, 0 timeout
status codes: 11066 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 421.71KB (431832) total, 43.35KB (44390) headers (space savings 95.11%), 1KB ({data}) data
"""
    assert h2load.parse_output(output) == wrk.LoadResult(11066, 11066, 1.0, bad=bad)


def test_without_the_load_generator_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["--quick"]) == 2
    assert "apt-get install wrk" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_loaded_rows_equal_rows_that_the_product_writes() -> None:
    project = measured_project.create_project()
    with _connect() as own:
        bulk_data.insert_measured_customers(own, project, TINY)
        bulk_data.insert_other_projects(own, project, TINY)

    assert (Project.objects.count(), Customer.objects.across_projects().count()) == (3, 61)
    for model in (Record, RecordKey, Total):
        assert model.objects.across_projects().count() == 121
    assert _sums("usage_record", "value") == _sums("usage_total", "sum")
    api = ApiClient(project.key)
    mine, pattern = (
        api.get("/entitlements", query={"user_id": name}).json() for name in ("u7", "pattern")
    )
    for one, other in zip(mine["entitlements"], pattern["entitlements"], strict=True):
        del one["sources"], other["sources"]
        assert one == other
    taken = api.post(
        "/entitlements/consume", {"user_id": "u7", "feature": "calls", "amount": 2}
    ).json()
    assert (taken["allowed"], taken["consumed"], taken["used"]) == (True, 2, 2)
    assert api.post("/usage", {"user_id": "u7", "meter": "events", "value": 1}).status_code == 201
    _check_foreign_keys()


@pytest.mark.django_db(transaction=True)
def test_a_loaded_log_goes_on_as_if_the_sequencer_had_written_it() -> None:
    project = measured_project.create_project()
    with _connect() as own:
        bulk_data.insert_measured_customers(own, project, TINY)
        bulk_data.insert_other_projects(own, project, TINY)
        bulk_log.insert_log(own, project, TINY)
    api = ApiClient(project.key)
    loaded = api.get("/events", query={"limit": "500"}).json()
    assert [event["position"] for event in loaded["data"]] == list(range(1, 61))
    assert {event["sequence"] for event in loaded["data"]} == {1, 2, 3}
    customer = Customer.objects.across_projects().get(user_id="u7")
    assert customer.pk == bulk_data.public_id("cus", 7)
    outbox.record(
        project_id=project.project,
        event_type=EventType.CUSTOMER_UPDATED,
        subject=customer.pk,
        customer_id=customer.pk,
        version=4,
        data=loaded["data"][0]["data"],
        at=timezone.now(),
    )
    sequencer.run()
    (event,) = api.get("/events", query={"after": loaded["next"]}).json()["data"]
    assert (event["position"], event["sequence"]) == (61, 4)
    assert (event["version"], event["previous_version"]) == (4, 3)
    assert LoggedEvent.objects.across_projects().count() == 181
    assert LogHead.objects.get().number == 181


def _connect() -> psycopg.Connection[tuple[object, ...]]:
    params = connection.get_connection_params()
    for unknown in ("cursor_factory", "context", "prepare_threshold"):
        params.pop(unknown, None)
    return psycopg.connect(**params, autocommit=True)


def _sums(name: str, column: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT project_id, sum({column}) FROM {name} GROUP BY 1 ORDER BY 1")
        rows: list[tuple[object, ...]] = cursor.fetchall()
    return rows


def _check_foreign_keys() -> None:
    """Rows were loaded without looking; every customer's facts lead to a feature of its project."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM entitlements_fact f JOIN projects_customer c "
            "ON (c.project_id, c.id) = (f.project_id, f.customer_id) JOIN entitlements_feature e "
            "ON (e.project_id, e.id) = (f.project_id, f.feature_id)"
        )
        assert cursor.fetchone() == (61 * 3,)
