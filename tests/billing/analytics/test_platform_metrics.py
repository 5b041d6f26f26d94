"""The platform sees each project and the sum of a mode, at a fixed number of queries."""

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.analytics import service as analytics
from billing.analytics.utc_days import start_of
from billing.models import AnalyticsProgress
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.analytics.conftest import DAY, START, TODAY
from tests.billing.analytics.ledger import Ledger
from tests.billing.analytics.metrics_calls import ask, count_until, mrr_rows, path

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("traveller")]


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
