"""``/metrics``: periods, currencies, the open day, who may ask, and how much it costs."""

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.analytics import service as analytics
from billing.analytics.utc_days import end_of, start_of
from billing.models import AnalyticsProgress
from common.ids import new_id
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.analytics.conftest import START
from tests.billing.analytics.ledger import Ledger
from tests.factories.projects import AppFactory, key_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("traveller")]

DAY = timedelta(days=1)
TODAY = START.date()
QUIET = {"project", "livemode", "period", "first_day", "before_day", "counted_until", "as_of"}


def path(project: Project, report: str = "subscriptions") -> str:
    return f"/metrics/project/{project.pk}/{report}"


def ask(client: ApiClient, address: str, **query: Any) -> dict[str, Any]:
    response = client.get(address, query=query)
    assert response.status_code == 200, response.content
    return dict(response.json())


def mrr_rows(body: dict[str, Any]) -> list[tuple[str, str, dict[str, int]]]:
    """First day, currency and the parts of the MRR that are not 0."""
    return [
        (
            row["starts_on"],
            row["currency"],
            {name: value for name, value in row["mrr"].items() if value},
        )
        for row in body["data"]
    ]


def count_until(today: date, traveller: time_machine.Traveller) -> None:
    """It is nine in the morning of ``today``, and every day before it was counted in time."""
    traveller.move_to(start_of(today) + timedelta(minutes=11))
    analytics.count_due(at=start_of(today) + timedelta(minutes=11))
    traveller.move_to(start_of(today) + timedelta(hours=9))


@pytest.fixture
def week(ledger: Ledger, traveller: time_machine.Traveller) -> Ledger:
    """Alice upgrades on the second day, bob leaves on the third; then four quiet days."""
    small, large = ledger.price(1000), ledger.price(3000)
    alice = ledger.subscribe(small, "alice", at=START)
    bob = ledger.subscribe(small, "bob", at=START)
    count_until(TODAY + DAY, traveller)
    ledger.change(alice, at=START + DAY, price=large)
    count_until(TODAY + 2 * DAY, traveller)
    ledger.cancel(bob, at=START + 2 * DAY)
    for number in range(3, 8):
        count_until(TODAY + number * DAY, traveller)
    return ledger


def test_days(api: ApiClient, week: Ledger) -> None:
    body = ask(api, path(week.project), period="day", **{"from": "2026-03-09", "to": "2026-03-14"})
    assert mrr_rows(body) == [
        ("2026-03-10", "usd", {"new": 2000, "closing": 2000}),
        ("2026-03-11", "usd", {"opening": 2000, "expansion": 2000, "closing": 4000}),
        (
            "2026-03-12",
            "usd",
            {"opening": 4000, "churn": 1000, "closing": 3000},
        ),
        ("2026-03-13", "usd", {"opening": 3000, "closing": 3000}),
    ]
    assert {name: body[name] for name in QUIET - {"as_of"}} == {
        "project": week.project.pk,
        "livemode": False,
        "period": "day",
        "first_day": "2026-03-09",
        "before_day": "2026-03-14",
        "counted_until": "2026-03-17",
    }
    last = body["data"][-1]
    assert (last["is_open"], last["is_estimate"]) == (False, False)
    assert last["subscriptions"] == {
        "active": 1,
        "trialing": 0,
        "past_due": 0,
        "unpaid": 0,
        "paused": 0,
        "started": 0,
        "canceled": 0,
    }
    assert body["data"][2]["customers"] == {"total": 1, "new": 0, "reactivated": 0, "churned": 1}


def test_weeks_and_months_add_up_their_days(api: ApiClient, week: Ledger) -> None:
    weeks = ask(api, path(week.project), period="week", **{"from": "2026-03-09"})
    parts = {"new": 2000, "expansion": 2000, "churn": 1000, "closing": 3000}
    assert mrr_rows(weeks) == [
        ("2026-03-09", "usd", parts),
        ("2026-03-16", "usd", {"opening": 3000, "closing": 3000}),
    ]
    assert [row["is_open"] for row in weeks["data"]] == [False, True]
    months = ask(api, path(week.project))
    assert mrr_rows(months) == [("2026-03-01", "usd", parts)]
    assert (months["first_day"], months["before_day"]) == ("2025-04-01", "2026-03-18")
    assert months["data"][0]["subscriptions"]["started"] == 2
    assert months["data"][0]["subscriptions"]["canceled"] == 1


def test_today_is_counted_live(api: ApiClient, week: Ledger) -> None:
    today = TODAY + 7 * DAY
    at = start_of(today) + timedelta(hours=8)
    price = week.price(500)
    week.subscribe(price, "bob", at=at)
    week.subscribe(price, "carol", at=at)
    week.subscribe(price, "dave", at=at, status="trialing", trial_ends_at=at + 9 * DAY)
    week.subscribe(price, "alice", at=at)
    week.cancel(week.subscribe(price, "erin", at=at), at=at)
    body = ask(api, path(week.project), period="day", **{"from": today.isoformat()})
    [row] = body["data"]
    assert row["is_open"]
    assert mrr_rows(body)[0][2] == {
        "opening": 3000,
        "new": 500,
        "reactivation": 500,
        "expansion": 500,
        "closing": 4500,
    }
    assert row["customers"] == {"total": 3, "new": 1, "reactivated": 1, "churned": 0}
    assert row["subscriptions"] == {
        "active": 4,
        "trialing": 1,
        "past_due": 0,
        "unpaid": 0,
        "paused": 0,
        "started": 5,
        "canceled": 1,
    }


def test_the_live_count_of_a_day_is_the_stored_one(
    api: ApiClient, week: Ledger, traveller: time_machine.Traveller
) -> None:
    today = TODAY + 7 * DAY
    at = start_of(today) + timedelta(hours=8)
    price = week.price(500)
    alice = week.subscribe(price, "alice", at=at, discounts=[])
    week.change(alice, at=at, status="past_due")
    week.subscribe(price, "bob", at=at)
    query = {"period": "day", "from": today.isoformat(), "to": (today + DAY).isoformat()}
    live = ask(api, path(week.project), **query)
    count_until(today + DAY, traveller)
    stored = ask(api, path(week.project), **query)
    assert live["data"] == [{**row, "is_open": True} for row in stored["data"]]
    assert live["data"] != stored["data"]


def test_a_day_of_which_some_pages_are_counted_is_counted_live_as_before(
    api: ApiClient,
    ledger: Ledger,
    traveller: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two of four subscriptions have the spans of the day already; the day has no row yet."""
    small, large = ledger.price(1000), ledger.price(3000)
    rows = [ledger.subscribe(small, f"user-{number}", at=START) for number in range(4)]
    count_until(TODAY + DAY, traveller)
    for row in rows:
        ledger.change(row, at=START + DAY, price=large)
    monkeypatch.setattr(analytics, "PAGE", 2)
    today = TODAY + 2 * DAY
    traveller.move_to(start_of(today) + timedelta(minutes=11))
    assert analytics.count_due(at=start_of(today) + timedelta(minutes=11), pages=1) == 1
    body = ask(api, path(ledger.project), period="day", **{"from": today.isoformat()})
    expected = {"opening": 4000, "expansion": 8000, "closing": 12000}
    assert mrr_rows(body) == [(today.isoformat(), "usd", expected)]
    assert body["data"][0]["subscriptions"]["active"] == 4


def test_a_day_that_is_not_counted_yet_has_no_row(
    api: ApiClient, week: Ledger, traveller: time_machine.Traveller
) -> None:
    traveller.move_to(end_of(TODAY + 7 * DAY) + timedelta(minutes=5))
    body = ask(api, path(week.project), period="day", **{"from": "2026-03-16"})
    assert [row["starts_on"] for row in body["data"]] == ["2026-03-16", "2026-03-18"]
    assert body["counted_until"] == "2026-03-17"


def test_a_project_without_anything(api: ApiClient, project: Project) -> None:
    for report in ("subscriptions", "revenue"):
        body = ask(api, path(project, report))
        assert (body["data"], body["counted_until"]) == ([], None)
    analytics.count_due(at=START)
    for report in ("subscriptions", "revenue"):
        body = ask(api, path(project, report))
        assert (body["data"], body["counted_until"]) == ([], "2026-03-10")


def test_revenue(api: ApiClient, ledger: Ledger, traveller: time_machine.Traveller) -> None:
    payment = ledger.pay(1000, at=START)
    ledger.pay(3000, "jpy", at=START)
    count_until(TODAY + DAY, traveller)
    ledger.refund(payment, 300, at=START + DAY)
    ledger.dispute(payment, 200, at=START + DAY, status="lost")
    ledger.pay(50, at=START + DAY)
    body = ask(api, path(ledger.project, "revenue"), period="day", **{"from": "2026-03-09"})
    assert body["counted_until"] == "2026-03-11"
    assert [(row["starts_on"], row["currency"], row["net"]) for row in body["data"]] == [
        ("2026-03-10", "jpy", 3000),
        ("2026-03-10", "usd", 1000),
        ("2026-03-11", "usd", -450),
    ]
    assert body["data"][2] == {
        "starts_on": "2026-03-11",
        "ends_before": "2026-03-12",
        "currency": "usd",
        "is_open": True,
        "payments": 1,
        "gross": 50,
        "refunds": 1,
        "refunded": 300,
        "disputes": 1,
        "disputed": 200,
        "net": -450,
        "fees": None,
    }
    [month] = ask(api, path(ledger.project, "revenue"), currency="usd")["data"]
    assert (month["gross"], month["refunded"], month["disputed"], month["net"]) == (
        *(1050, 300, 200, 550),
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"period": "year"}, "period"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2025-02-03", "to": "2026-03-11"}, "from"),
        ({"from": "2026-03-11", "to": "2026-03-11"}, "from"),
        ({"to": "2026-03-12"}, "to"),
        ({"to": "0001-01-02"}, "to"),
        ({"to": "2010-01-02", "from": "2009-12-31"}, "from"),
        ({"currency": "xxx"}, "currency"),
        ({"livemode": "true"}, "livemode"),
    ],
)
def test_a_wrong_parameter_is_named(
    api: ApiClient, project: Project, query: dict[str, str], field: str
) -> None:
    for report in ("subscriptions", "revenue"):
        response = api.get(path(project, report), query=query)
        assert response.status_code == 422, response.content
        assert [error["pointer"] for error in response.json()["errors"]] == [f"#/{field}"]


def test_400_days_are_answered(api: ApiClient, project: Project) -> None:
    body = ask(api, path(project), **{"from": "2025-02-04", "to": "2026-03-11"})
    assert (body["first_day"], body["before_day"]) == ("2025-02-04", "2026-03-11")


def test_another_project_is_answered_like_none(
    api: ApiClient, other_project: Project, week: Ledger
) -> None:
    for address in (path(other_project), f"/metrics/project/{new_id('prj')}/subscriptions"):
        assert api.get(address).status_code == 404
    assert api.get("/metrics/subscriptions").status_code == 403
    assert api.get("/metrics/revenue").status_code == 403
    assert api.get("/metrics/projects").status_code == 403


def test_an_app_sees_no_metrics(project: Project) -> None:
    client = ApiClient(key_of(project, app=AppFactory.create(project=project)))
    assert client.get(path(project)).status_code == 403


def test_the_platform_sees_each_project_and_the_sum_of_a_mode(
    platform_api: ApiClient,
    api: ApiClient,
    week: Ledger,
    other_project: Project,
    traveller: time_machine.Traveller,
) -> None:
    neighbour = Ledger(other_project)
    at = start_of(TODAY + 7 * DAY)
    neighbour.subscribe(neighbour.price(70), at=at)
    neighbour.subscribe(neighbour.price(9000, "jpy"), at=at)
    neighbour.pay(70, at=at)
    week.pay(3000, at=at)
    own = ask(api, path(week.project))
    assert ask(platform_api, path(week.project))["data"] == own["data"]
    everything = ask(platform_api, "/metrics/subscriptions", livemode="false")
    assert (everything["project"], everything["livemode"]) == (None, False)
    assert mrr_rows(everything) == [
        ("2026-03-01", "jpy", {"new": 9000, "closing": 9000}),
        (
            "2026-03-01",
            "usd",
            {"new": 2070, "expansion": 2000, "churn": 1000, "closing": 3070},
        ),
    ]
    [revenue] = ask(platform_api, "/metrics/revenue", livemode="false")["data"]
    assert (revenue["gross"], revenue["payments"]) == (3070, 2)
    assert ask(platform_api, "/metrics/subscriptions")["data"] == []
    assert ask(platform_api, "/metrics/revenue")["data"] == []
    count_until(TODAY + 8 * DAY, traveller)
    assert mrr_rows(ask(platform_api, "/metrics/subscriptions", livemode="false")) == mrr_rows(
        everything
    )


def test_the_platform_lists_its_projects(
    platform_api: ApiClient,
    api: ApiClient,
    week: Ledger,
    other_project: Project,
    traveller: time_machine.Traveller,
) -> None:
    neighbour = Ledger(other_project)
    at = start_of(TODAY + 7 * DAY)
    neighbour.subscribe(neighbour.price(70), at=at)
    week.pay(3000, at=at)
    neighbour.pay(70, at=at)
    query = {"livemode": "false", "from": "2026-03-01"}
    for days in (8, 9):
        body = ask(platform_api, "/metrics/projects", **query)
        assert [row["project"] for row in body["data"]] == [other_project.pk, week.project.pk]
        for row, client in zip(body["data"], (platform_api, api), strict=True):
            project = Project.objects.get(pk=row["project"])
            months = ask(client, path(project), **{"from": "2026-03-01"})["data"]
            assert row["subscriptions"] == months
            money = ask(client, path(project, "revenue"), **{"from": "2026-03-01"})["data"]
            assert row["revenue"] == money
        count_until(TODAY + days * DAY, traveller)
    closed = ask(platform_api, "/metrics/projects", **query, to="2026-03-14")["data"]
    assert [len(row["subscriptions"]) for row in closed] == [0, 1]
    assert closed[1]["subscriptions"][0]["mrr"]["closing"] == 3000
    first = ask(platform_api, "/metrics/projects", **query, limit="1")
    assert (first["has_more"], len(first["data"])) == (True, 1)
    assert ask(platform_api, "/metrics/projects")["data"] == []


def test_a_new_project_does_not_hold_back_the_platform(
    platform_api: ApiClient, week: Ledger, other_project: Project
) -> None:
    Ledger(other_project).pay(500, at=START)
    week.project.livemode = other_project.livemode = True
    week.project.save()
    other_project.save()
    AnalyticsProgress.objects.for_project(other_project).delete()
    body = ask(platform_api, "/metrics/subscriptions", period="day", **{"from": "2026-03-16"})
    assert [row["mrr"]["closing"] for row in body["data"]] == [3000, 3000]
    assert body["counted_until"] == "2026-03-17"
    [revenue] = ask(platform_api, "/metrics/revenue")["data"]
    assert revenue["gross"] == 500


def test_an_answer_costs_the_same_whatever_there_is(
    api: ApiClient, platform_api: ApiClient, week: Ledger, other_project: Project
) -> None:
    def queries(client: ApiClient, address: str, **query: str) -> int:
        ask(client, address, **query)
        with CaptureQueriesContext(connection) as captured:
            ask(client, address, **query)
        return len(captured)

    def all_queries() -> list[int]:
        return [
            queries(api, path(week.project)),
            queries(api, path(week.project, "revenue"), period="day"),
            queries(platform_api, "/metrics/subscriptions", livemode="false"),
            queries(platform_api, "/metrics/revenue", livemode="false"),
            queries(platform_api, "/metrics/projects", livemode="false"),
        ]

    at = START + 7 * DAY
    neighbour = Ledger(other_project)
    neighbour.subscribe(neighbour.price(70), at=at)
    week.subscribe(week.price(70), at=at)
    analytics.count_due(at=at)
    before = all_queries()
    for number in range(5):
        for each in (week, neighbour):
            each.subscribe(each.price(70, "eur"), f"user-{number}", at=at)
            each.pay(70, "eur", at=at)
    assert all_queries() == before
    assert max(before) <= 18
