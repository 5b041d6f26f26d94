"""The page of entries that consumers of the bus could not deal with."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.operators import Role
from delivery.models import HeldEntry
from events.models import AuditEntry
from tests.console.dialogs import send, was_done
from tests.console.world_events import create_held_entry


@pytest.fixture
def parked(db: None) -> HeldEntry:
    return create_held_entry("cus_1", timezone.now(), 0)


def address(entry: HeldEntry) -> str:
    return f"/admin/delivery/heldentry/{entry.pk}/try-again/"


def test_an_operator_lets_a_consumer_try_again(operator: Client, parked: HeldEntry) -> None:
    answer = send(operator, address(parked), reason="The consumer is fixed.")
    assert was_done(answer)
    parked.refresh_from_db()
    assert (parked.failures, parked.parked_at) == (0, None)
    entry = AuditEntry.objects.get(action="bus.try_again")
    assert (entry.actor, entry.reason) == ("operator:operator", "The consumer is fixed.")
    assert (entry.before["consumer"], entry.before["failures"]) == ("search", 5)


def test_a_viewer_may_only_look(signed_in: Callable[[Role], Client], parked: HeldEntry) -> None:
    viewer = signed_in(Role.VIEWER)
    assert send(viewer, address(parked)).status_code == 403
    parked.refresh_from_db()
    assert parked.parked_at is not None


def test_the_list_is_filtered_by_state(operator: Client) -> None:
    entries = [create_held_entry(f"cus_{number}", timezone.now(), number) for number in range(3)]
    listing = reverse("admin:delivery_heldentry_changelist")
    for entry, state in zip(entries, ("parked", "failing", "waiting"), strict=True):
        page = operator.get(listing, {"state": state}).text
        assert [each.message_id in page for each in entries] == [each == entry for each in entries]
