"""A reservation that nobody commits or releases in time has one event, whoever notices it."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.consumption import representation, reservation_expiry
from entitlements.models import Feature, Reservation
from events.models import OutboxEvent
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.entitlements.consumption.consumption_calls import (
    allow,
    consume,
    cost,
    post,
    post_credits,
    reserve,
)

pytestmark = pytest.mark.django_db


def end_now(project: Project) -> datetime:
    now = timezone.now()
    Reservation.objects.for_project(project).update(expires_at=now)
    return now


def events(project: Project) -> list[OutboxEvent]:
    rows = OutboxEvent.objects.for_project(project).filter(type__startswith="reservation.")
    return list(rows.order_by("pk"))


def test_units_that_a_worker_releases(
    api: ApiClient, project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 10)
    for _ in range(2):
        reserve(api, 5)
    now = end_now(project)
    before = now - timedelta(microseconds=1)
    assert reservation_expiry.expire_due(at=before, limit=10) == 0
    assert events(project) == []
    assert [reservation_expiry.expire_due(at=now, limit=10) for _ in range(2)] == [2, 0]
    recorded = events(project)
    rows = Reservation.objects.for_project(project).order_by("pk")
    assert [event.type for event in recorded] == ["reservation.expired"] * 2
    assert [event.subject for event in recorded] == [row.pk for row in rows]
    customer.refresh_from_db()
    for event, row in zip(recorded, rows, strict=True):
        assert event.data == representation.reservation(row, at=now)
        assert (event.data["status"], event.data["amount"]) == ("expired", 5)
        assert event.previous == {"status": "open"}
        assert (event.customer_id, event.version) == (customer.pk, customer.version)


def test_units_that_a_request_releases(
    api: ApiClient, project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 10)
    held = reserve(api, 6)["reservation"]["id"]
    now = end_now(project)
    assert post(api, "commit", 409, reservation=held)["code"] == "reservation-expired"
    assert post(api, "release", reservation=held)["reservation"]["status"] == "expired"
    assert events(project) == []
    assert consume(api, 5)["consumed"] == 5
    assert [event.subject for event in events(project)] == [held]
    reservation_expiry.expire_due(at=now, limit=10)
    assert len(events(project)) == 1


def test_credits_that_come_back(
    api: ApiClient, project: Project, customer: Customer, images: Feature
) -> None:
    cost(customer, images, 10)
    post_credits(api, 100)
    held = reserve(api, 4, feature="image")["reservation"]
    now = end_now(project)
    reservation_expiry.expire_due(at=now, limit=10)
    (event,) = events(project)
    assert (event.subject, event.data["credits"]) == (held["id"], 40)
    assert api.get("/credits/ada").json()["balance"] == 100


def test_committed_and_released_ones_have_none(
    api: ApiClient, project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 10)
    for verb in ("commit", "release"):
        post(api, verb, reservation=reserve(api, 2)["reservation"]["id"])
    reservation_expiry.expire_due(at=end_now(project), limit=10)
    assert events(project) == []


def test_a_request_that_releases_nothing_writes_no_event(
    api: ApiClient, project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 10)
    reserve(api, 5)
    with CaptureQueriesContext(connection) as queries:
        assert consume(api, 6)["consumed"] == 0
    assert [query["sql"] for query in queries if "outboxevent" in query["sql"]] == []
