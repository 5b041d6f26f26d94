"""Calls of /metrics, and the parts of an answer that are compared."""

from datetime import date, timedelta
from typing import Any

import time_machine

from billing.analytics import service as analytics
from billing.analytics.utc_days import start_of
from projects.models import Project
from tests.api_client import ApiClient


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
