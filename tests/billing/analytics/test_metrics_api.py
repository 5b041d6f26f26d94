"""``/metrics`` of a project: periods, currencies, the open day, and who may ask."""

from datetime import timedelta

import pytest
import time_machine

from billing.analytics import service as analytics
from billing.analytics.utc_days import end_of, start_of
from common.ids import new_id
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.analytics.conftest import DAY, START, TODAY
from tests.billing.analytics.ledger import Ledger
from tests.billing.analytics.metrics_calls import ask, count_until, mrr_rows, path
from tests.factories.projects import AppFactory, key_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("traveller")]

QUIET = {"project", "livemode", "period", "first_day", "before_day", "counted_until", "as_of"}


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
