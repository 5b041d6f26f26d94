"""Operators let projects hear of their users, issue secrets, and decide about parked messages."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from delivery.inbound import selectors
from delivery.models import HeldEntry, InboundSettings
from events.models import AuditEntry
from projects.models import Project
from tests.console.dialogs import send, was_done

pytestmark = pytest.mark.django_db
TURN_ON = "/admin/delivery/inboundsettings/turn-on/"


def address(row: InboundSettings, name: str) -> str:
    return reverse(f"admin:delivery_inboundsettings_{name}", args=[row.pk])


def test_a_project_is_let_to_follow_and_gets_a_secret(operator: Client, project: Project) -> None:
    on = {"follows_stream": "on", "cancels_subscriptions": "on"}
    assert was_done(send(operator, TURN_ON, project=project.pk, **on))
    row = InboundSettings.objects.for_project(project).get()
    assert (row.follows_stream, row.cancels_subscriptions) == (True, True)

    shown = send(operator, address(row, "rotate_secret"), overlap_hours="24")
    assert "whsec_" in shown.text
    assert "no-store" in shown.headers["Cache-Control"]
    page = operator.get(reverse("admin:delivery_inboundsettings_change", args=[row.pk])).text
    (secret,) = selectors.live_secrets(project.pk, at=timezone.now())
    assert secret.pk in page
    assert "whsec_" not in page

    assert was_done(send(operator, address(row, "configure"), follows_stream="on"))
    row.refresh_from_db()
    assert (row.follows_stream, row.cancels_subscriptions) == (True, False)
    assert was_done(send(operator, address(row, "revoke_secrets"), reason="Leaked."))
    assert selectors.live_secrets(project.pk, at=timezone.now()) == []
    entry = AuditEntry.objects.get(action="inbound.revoke_secret")
    assert (entry.reason, entry.project_id) == ("Leaked.", project.pk)


def test_a_parked_message_is_discarded_with_a_reason(operator: Client) -> None:
    now = timezone.now()
    row = HeldEntry.objects.create(
        consumer="inbound",
        stream="auth:users",
        entry_id="1-0",
        message_id="m1",
        fields="{}",
        failures=4,
        error="ValidationError",
        held_at=now,
        next_try_at=now,
    )
    discard = reverse("admin:delivery_heldentry_discard", args=[row.pk])
    assert "Only a parked entry" in send(operator, discard).text
    HeldEntry.objects.update(parked_at=now)
    assert was_done(send(operator, discard, reason="Sent by mistake."))
    assert not HeldEntry.objects.exists()
    assert AuditEntry.objects.get(action="bus.discard").reason == "Sent by mistake."
