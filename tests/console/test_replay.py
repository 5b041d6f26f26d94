"""Operators replay events and read objects again, one by one and in bulk."""

from typing import Any

import pytest
from django.test import Client

from billing.models import SyncObject
from events.models import AuditEntry
from tests.console.dialogs import messages_of, send, was_done
from tests.console.world import build
from webhooks.models import InboundEvent

pytestmark = pytest.mark.django_db

EVENTS = "/admin/webhooks/inboundevent/"
OBJECTS = "/admin/billing/syncobject/"


def act(client: Client, listing: str, action: str, rows: list[Any], **fields: str) -> Any:
    """Choose rows of a list and an action; with ``reason`` the page in between is sent too."""
    selected = [str(row.pk) for row in rows]
    return client.post(
        listing, {"action": action, "_selected_action": selected, "index": "0", **fields}
    )


def requests_by_object() -> dict[str, int]:
    return dict(SyncObject.objects.values_list("stripe_id", "requested"))


def test_an_operator_replays_one_event(operator: Client) -> None:
    world = build(size=3)
    event = InboundEvent.objects.get(sync__parked_at__isnull=False)

    answer = send(operator, f"{EVENTS}{event.pk}/replay/")

    assert was_done(answer)
    assert event.sync is not None
    event.sync.refresh_from_db()
    assert (event.sync.parked_at, event.sync.attempts, event.sync.requested) == (None, 0, 2)
    entry = AuditEntry.objects.get(action="inbound_event.replay")
    assert (entry.subject, entry.actor, entry.reason, entry.project) == (
        event.pk,
        "operator:operator",
        "The customer asked.",
        world.project,
    )


def test_replaying_an_event_without_an_object_is_refused(operator: Client) -> None:
    world = build()
    world.event.body = b"{}"
    world.event.save()

    answer = send(operator, f"{EVENTS}{world.event.pk}/replay/")

    assert "has no object to read again" in answer.text
    assert not AuditEntry.objects.filter(action="inbound_event.replay").exists()


def test_replay_many_asks_for_the_reason_first(operator: Client) -> None:
    build(size=3)
    rows = list(InboundEvent.objects.all())
    before = requests_by_object()

    dialog = act(operator, EVENTS, "replay_selected", rows)
    short = act(operator, EVENTS, "replay_selected", rows, reason="no")

    assert "3 inbound events" in dialog.text
    assert dialog.text.count('name="_selected_action"') == 3
    assert "Ensure this value has at least 3 characters" in short.text
    assert requests_by_object() == before

    done = act(operator, EVENTS, "replay_selected", rows, reason="Stripe was away.")

    assert done.status_code == 302
    assert messages_of(done) == ["3 replayed."]
    assert requests_by_object() == {name: count + 1 for name, count in before.items()}
    reasons = AuditEntry.objects.filter(action="inbound_event.replay").values_list("reason")
    assert list(reasons) == [("Stripe was away.",)] * 3


def test_all_filtered_events_are_replayed(operator: Client) -> None:
    build(size=9)
    parked = list(InboundEvent.objects.filter(sync__parked_at__isnull=False))
    before = requests_by_object()

    done = act(
        operator,
        f"{EVENTS}?status=parked",
        "replay_selected",
        parked[:1],
        select_across="1",
        reason="All of them.",
    )

    assert messages_of(done) == ["2 replayed."]
    changed = {name for name, count in requests_by_object().items() if count != before[name]}
    assert changed == {event.stripe_object_id for event in parked}


def test_events_that_name_nothing_are_counted(operator: Client) -> None:
    world = build(size=2)
    world.event.body = b"not json"
    world.event.save()

    done = act(
        operator, EVENTS, "replay_selected", list(InboundEvent.objects.all()), reason="Because."
    )

    assert messages_of(done) == ["1 replayed.", "1 have no object to read again."]


def test_viewers_are_not_offered_it(viewer: Client) -> None:
    world = build(size=2)
    before = requests_by_object()

    listing = viewer.get(EVENTS)
    act(viewer, EVENTS, "replay_selected", [world.event], reason="Because.")
    act(viewer, OBJECTS, "wake_selected", [world.sync_object], reason="Because.")

    assert 'value="replay_selected"' not in listing.text
    assert requests_by_object() == before


def test_parked_objects_are_woken_together(operator: Client) -> None:
    build(size=5)
    before = requests_by_object()
    rows = list(SyncObject.objects.all())

    done = act(operator, OBJECTS, "wake_selected", rows, reason="After the outage.")

    assert messages_of(done) == ["5 will be read again."]
    assert requests_by_object() == {name: count + 1 for name, count in before.items()}
    assert not SyncObject.objects.filter(parked_at__isnull=False).exists()
    assert AuditEntry.objects.filter(action="mirror.read_again").count() == 5


def test_selected_mirrors_are_read_again(operator: Client) -> None:
    world = build(size=2)

    done = act(
        operator,
        "/admin/billing/refund/",
        "read_selected_again",
        [world.refund],
        reason="The bank called.",
    )

    assert messages_of(done) == ["1 will be read again."]
    row = SyncObject.objects.get(stripe_id=world.payment.stripe_id)
    assert (row.kind, row.requested) == ("payment_intent", 1)
    assert AuditEntry.objects.get(action="mirror.read_again").subject == world.refund.pk
