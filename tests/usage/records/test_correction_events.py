"""Voided and corrected records have one event each, with the record as data."""

from typing import Any

import pytest
from django.utils import timezone

from events.models import OutboxEvent
from projects.customers import selectors as customers
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.usage.usage_bodies import body_of, record_body
from usage.models import Record
from usage.models.record import Forwarding

pytestmark = pytest.mark.django_db


def events(project: Project) -> list[OutboxEvent]:
    rows = OutboxEvent.objects.for_project(project).filter(type__startswith="usage.")
    return list(rows.order_by("pk"))


def record_use(api: ApiClient, value: int = 5) -> str:
    return str(body_of(api.post("/usage", record_body(value=value)), 201)["id"])


def test_a_voided_record(api: ApiClient, project: Project, meter: Any) -> None:
    record = record_use(api)
    assert events(project) == []
    for _ in range(2):
        voided = body_of(api.post(f"/usage/{record}/void"))
    (event,) = events(project)
    customer = Customer.objects.for_project(project).get(user_id="ada")
    assert (event.type, event.subject, event.data) == ("usage.voided", record, voided)
    assert event.previous == {"voided_at": None}
    assert (event.customer_id, event.version) == (customer.pk, customer.version)


def test_a_voided_record_that_stripe_has(api: ApiClient, project: Project, meter: Any) -> None:
    record = record_use(api)
    Record.objects.for_project(project).filter(id=record).update(
        forwarding=Forwarding.REFUSED,
        forwarding_error="No such customer.",
        forwarded_at=timezone.now(),
    )
    voided = body_of(api.post(f"/usage/{record}/void"))
    assert (voided["stripe_status"], voided["stripe_error"]) == ("canceling", None)
    query = {"user_id": "ada", "meter": "bytes"}
    assert body_of(api.get("/usage/records", query=query))["data"] == [voided]
    (event,) = events(project)
    assert event.data == voided
    assert event.previous == {
        "voided_at": None,
        "stripe_status": "refused",
        "stripe_error": "No such customer.",
    }


def test_a_corrected_record_is_one_event(api: ApiClient, project: Project, meter: Any) -> None:
    record = record_use(api)
    for _ in range(2):
        corrected = body_of(api.post(f"/usage/{record}/correct", {"value": 8}), 201)
    (event,) = events(project)
    assert (event.type, event.subject, event.data) == (
        "usage.corrected",
        corrected["id"],
        corrected,
    )
    assert (event.data["corrects"], event.previous) == (record, {"value": 5})


def test_a_refused_correction_has_no_event(api: ApiClient, project: Project, meter: Any) -> None:
    record = record_use(api)
    body_of(api.post(f"/usage/{record}/correct", {"value": -1}), 422)
    body_of(api.post(f"/usage/{record}/void"))
    body_of(api.post(f"/usage/{record}/correct", {"value": 7}), 409)
    body_of(api.post(f"/usage/{'use_' + '0' * 26}/void"), 404)
    assert [event.type for event in events(project)] == ["usage.voided"]


def test_the_version_is_the_locked_customers(api: ApiClient, project: Project, meter: Any) -> None:
    record = record_use(api)
    customer = customers.get(project=project, user_id="ada")
    version = customers.raise_version(customer)
    body_of(api.post(f"/usage/{record}/void"))
    assert [event.version for event in events(project)] == [version]
