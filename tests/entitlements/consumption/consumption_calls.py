"""Calls of the consumption API, and the rows and events that they leave."""

from datetime import timedelta
from typing import Any

from django.test import TestCase
from django.utils import timezone

from entitlements.models import Feature
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.factories.entitlements import draft_fact, grant, state
from usage.models import Counter, Record, RecordKey, Total

Json = dict[str, Any]


def committed() -> Any:
    """Run the callbacks of the commit at the end of the block."""
    return TestCase.captureOnCommitCallbacks(execute=True)


def allow(customer: Customer, feature: Feature, value: int | None, **kwargs: Any) -> None:
    """From an hour ago on."""
    since = timezone.now() - timedelta(hours=1)
    with committed():
        state(customer, draft_fact(feature, value, starts_at=since, **kwargs), at=since)


def deny(customer: Customer, feature: Feature) -> None:
    """From a minute ago on."""
    with committed():
        grant(customer, feature, effect="deny", at=timezone.now() - timedelta(minutes=1))


def post(api: ApiClient, verb: str, status: int = 200, **body: Any) -> Json:
    response = api.post(f"/entitlements/{verb}", body)
    assert response.status_code == status, response.content
    return dict(response.json())


def consume(api: ApiClient, amount: int = 1, **body: Any) -> Json:
    return post(api, "consume", **{"user_id": "ada", "feature": "api", "amount": amount, **body})


def reserve(api: ApiClient, amount: int = 1, **body: Any) -> Json:
    return post(api, "reserve", **{"user_id": "ada", "feature": "api", "amount": amount, **body})


def row_counts(project: Project) -> list[int]:
    """The numbers of keys, records and totals, and the counted and reserved amounts."""
    tables = (RecordKey, Record, Total)
    counters = Counter.objects.for_project(project).values_list("used", "reserved")
    return [
        *(table.objects.for_project(project).count() for table in tables),
        *(int(figure) for counter in counters for figure in counter),
    ]


def cost(customer: Customer, feature: Feature, value: int) -> None:
    """Set the price of one use from now on."""
    with committed():
        state(customer, draft_fact(feature, value, starts_at=timezone.now() - timedelta(hours=1)))


def post_credits(api: ApiClient, amount: int) -> None:
    response = api.post("/credits/ada/grant", {"amount": amount, "reason": "Welcome."})
    assert response.status_code == 201, response.content
