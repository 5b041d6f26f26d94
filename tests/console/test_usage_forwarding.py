"""Usage that Stripe refused is shown, and an operator has it sent again."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from console import home
from events.models import AuditEntry
from tests.console.dialogs import messages_of, send, was_done
from tests.console.world import build
from usage.models import Record

pytestmark = pytest.mark.django_db


def test_refused_usage_is_shown_and_sent_again(operator: Client) -> None:
    world = build()
    other = build(name="Neighbour")
    now = timezone.now()
    rows = Record.objects.for_project(world.project)
    refused_row = rows.get()
    rows.create(
        id="use_void",
        customer=world.customer,
        meter=world.stripe_meter.meter,
        value=3,
        occurred_at=now,
        recorded_at=now,
        voided_at=now,
        forwarded_at=now - timedelta(days=2),
        forwarding="refused",
        forwarding_error="Too late.",
    )
    assert home.counts()["refused_usage"].n == 3
    check = operator.get("/health").json()["checks"]["usage"]
    assert (check["status"], check["detail"]) == ("ok", "0 to be reported, 3 refused")
    page = f"/admin/billing/stripemeter/{world.stripe_meter.pk}"
    html = operator.get(f"{page}/change/").text
    for text in (refused_row.id, "Stripe says: Acme is not known.", "use_void", "Too late."):
        assert text in html
    answer = send(operator, f"{page}/again/")
    assert was_done(answer)
    assert messages_of(answer) == ["Stripe is asked again about 2 record(s) within a few seconds."]
    assert sorted(rows.values_list("forwarding", "forwarding_error", "forwarded_at")) == [
        ("canceling", "", now - timedelta(days=2)),
        ("pending", "", None),
    ]
    assert Record.objects.for_project(other.project).get().forwarding == "refused"
    entry = AuditEntry.objects.get(action="usage.forward_again")
    assert (entry.subject, entry.after) == (
        world.stripe_meter.meter_id,
        {"to_be_told": 1, "to_be_taken_back": 1},
    )
    over = send(operator, f"{page}/again/")
    assert "Stripe has refused no record of this meter." in over.text
    assert AuditEntry.objects.filter(action="usage.forward_again").count() == 1
