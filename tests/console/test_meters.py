"""Operators define meters and see a customer's usage."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.console.dialogs import send
from tests.console.world import World
from usage.models import Meter
from usage.records import recording
from usage.records.recording import UsageEntry

pytestmark = pytest.mark.django_db


def test_a_meter_is_defined_and_archived_with_a_reason(operator: Client, world: World) -> None:
    body = {
        "project": world.project.pk,
        "code": "bytes",
        "name": "Traffic",
        "aggregation": "sum",
        "unit": "bytes",
        "reason": "They asked for it.",
    }
    send(operator, "/admin/usage/meter/define/", **body)
    meter = Meter.objects.for_project(world.project).get(code="bytes")
    assert "exists" in send(operator, "/admin/usage/meter/define/", **body).text

    send(operator, reverse("admin:usage_meter_archive", args=[meter.pk]), reason="Over.")

    meter.refresh_from_db()
    assert (meter.name, meter.aggregation, meter.archived_at is None) == ("Traffic", "sum", False)


def test_the_customers_page_shows_what_was_used(operator: Client, world: World) -> None:
    Meter.objects.for_project(world.project).create(code="bytes", name="B", aggregation="sum")
    entry = UsageEntry(world.customer.pk, "bytes", 1234567)
    recording.record(project=world.project, entries=[entry], at=timezone.now())

    page = operator.get(f"/admin/projects/customer/{world.customer.pk}/change/").text

    assert "bytes" in page
    assert page.count("1,234,567") == 2, "today and this month"
