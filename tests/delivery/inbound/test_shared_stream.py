"""The shared Redis stream: whose messages are accepted, in which order, and what is parked."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import Settings

from delivery import tasks
from delivery.bus import consumer, held_entries, inbox
from delivery.bus.readers import StreamEntry
from delivery.conf import InboundSources
from delivery.errors import NotParked
from delivery.inbound import inbound_settings, refusals, shared_stream, sources
from delivery.inbound.api import messages
from delivery.models import BusCheckpoint, HeldEntry, InboundRefusal, InboxEntry
from events.models import AuditEntry
from projects.models import Customer, Project
from tests.delivery.bus.streams import Streams
from tests.delivery.inbound.sending import addressed, event_types, let_follow, people

pytestmark = pytest.mark.django_db
STREAM = "auth:users"
POISON = "not even JSON"


@pytest.fixture(autouse=True)
def configured(streams: Streams, request: pytest.FixtureRequest) -> None:
    changed: Settings = request.getfixturevalue("settings")
    changed.INBOUND = InboundSources(stream=STREAM, stream_url=streams.server.url())


def write(streams: Streams, *bodies: str) -> None:
    for body in bodies:
        streams.client.xadd(STREAM, {"body": body})


def read(*, later: timedelta = timedelta(0)) -> None:
    """As the task does, without waiting, until two rounds in a row have brought nothing."""
    at, configured, rounds = timezone.now() + later, settings.INBOUND, 0
    while rounds < 2:
        reader = shared_stream.reader(configured.stream, parse=messages.parse_entry, at=at)
        count = consumer.run(reader, url=configured.stream_url, at=at, is_blocking=False)
        rounds = 0 if count else rounds + 1


def read_until_parked() -> None:
    for minutes in range(5):
        read(later=timedelta(minutes=2 * minutes))


def test_messages_change_the_customers_of_projects_that_follow(
    streams: Streams, project: Project, other_project: Project
) -> None:
    let_follow(project, other_project)
    write(
        streams,
        addressed(project, "m1", "created", 1, name="Ada"),
        addressed(other_project.slug, "m1", "created", 1, name="Grace"),
        addressed(project, "m2", "updated", 2, name="Ada L."),
        addressed(project, "m2", "updated", 3, name="A copy of an id"),
        addressed(project, "m3", "created", 1, user_id="bob"),
        addressed(project, "m4", "deleted", 2, user_id="bob"),
    )
    read()
    assert people(project) == [("ada", "", "Ada L.")]
    assert people(other_project) == [("ada", "", "Grace")]
    assert not HeldEntry.objects.exists()
    assert event_types(project) == [
        "customer.created",
        "customer.updated",
        "customer.created",
        "customer.deleted",
    ]


def test_projects_that_do_not_follow_are_left_alone_and_counted(
    streams: Streams, project: Project, other_project: Project
) -> None:
    let_follow(other_project)
    write(
        streams,
        addressed(project, "m1", "created", 1),
        addressed(project, "m2", "deleted", 2),
        addressed("nobody", "m3", "created", 1),
        addressed(other_project, "m4", "created", 1),
    )
    read()
    assert not Customer.objects.for_project(project).exists()
    assert people(other_project) == [("ada", "", "")]
    assert dict(InboundRefusal.objects.values_list("name", "count")) == {project.pk: 2, "nobody": 1}
    assert not HeldEntry.objects.exists()


def test_names_of_projects_cannot_fill_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_NAMES", 2)
    for name in ("a", "b", "c", "d", "a"):
        refusals.count(name, at=timezone.now())
    counts = dict(InboundRefusal.objects.values_list("name", "count"))
    assert counts == {"a": 2, "b": 1, "(others)": 2}


@pytest.mark.parametrize(
    "body",
    [
        POISON,
        "[]",
        '{"type": "user.created"}',
        addressed("acme", "m" * 200, "created", 1),
        addressed("acme", "m1", "created", "1"),
        addressed("acme", "m1", "created", 1, user_id=5),
    ],
)
def test_what_is_no_message_is_parked_and_stops_nobody(
    streams: Streams, project: Project, body: str
) -> None:
    let_follow(project)
    write(streams, body, addressed(project, "m2", "created", 1))
    streams.client.xadd(STREAM, {"other": "field"})
    read_until_parked()
    assert [user_id for user_id, _, _ in people(project)] == ["ada"]
    parked = HeldEntry.objects.filter(parked_at__isnull=False, failures=5)
    assert parked.count() == HeldEntry.objects.count() == 2
    assert all(row.error and not row.lane for row in parked)


def test_messages_about_other_things_are_passed_over(streams: Streams, project: Project) -> None:
    write(streams, '{"type": "session.created", "user": 5}')
    read()
    assert not HeldEntry.objects.exists()


def test_a_users_later_messages_wait_behind_a_parked_one(
    streams: Streams, project: Project
) -> None:
    """A change of a deleted user: an operator discards it, and the deletion behind it happens."""
    let_follow(project)
    write(
        streams,
        addressed(project, "m1", "created", 1),
        addressed(project, "m2", "deleted", 2),
        addressed(project, "m3", "updated", 3, name="Ada"),
        addressed(project, "m4", "created", 4, name="Ada anew"),
        addressed(project, "m5", "created", 1, user_id="bob"),
    )
    read_until_parked()
    assert [user_id for user_id, _, _ in people(project)] == ["bob"]
    first, second = HeldEntry.objects.order_by("pk")
    assert "UserDeleted" in first.error
    assert (second.parked_at, second.failures) == (None, 0)
    discard(first)
    read(later=timedelta(minutes=20))
    assert ("ada", "", "Ada anew") in people(project)
    assert not HeldEntry.objects.exists()


def discard(row: HeldEntry) -> None:
    held_entries.discard(row=row, actor="operator:ada", reason="A mistake.", at=timezone.now())


def test_what_a_dead_process_was_given_comes_before_what_is_newer(
    streams: Streams, project: Project
) -> None:
    """The newer message names an address only: the name of the older one must not be passed over,
    and the checkpoint is behind both."""
    let_follow(project)
    read()
    write(streams, addressed(project, "m1", "created", 1, name="Ada"))
    streams.client.xreadgroup("inbound", "a process that dies", {STREAM: ">"})
    write(streams, addressed(project, "m2", "updated", 2, email="ada@example.com"))
    read()
    assert people(project) == [("ada", "ada@example.com", "Ada")]
    assert streams.client.xpending(STREAM, "inbound")["pending"] == 0
    assert BusCheckpoint.objects.get(consumer="inbound").entry_id == last_id(streams)


def test_an_entry_that_comes_again_does_not_move_the_checkpoint_back(
    streams: Streams, project: Project
) -> None:
    let_follow(project)
    write(streams, *(addressed(project, f"m{n}", "updated", n, name=f"Ada {n}") for n in (1, 2)))
    read()
    reader = shared_stream.reader(STREAM, parse=messages.parse_entry, at=timezone.now())
    for entry_id, fields in streams.client.xrange(STREAM, count=1):
        inbox.accept(reader, StreamEntry(entry_id, fields), at=timezone.now())
    assert BusCheckpoint.objects.get(consumer="inbound").entry_id == last_id(streams)


def last_id(streams: Streams) -> str:
    ((entry_id, _),) = streams.client.xrevrange(STREAM, count=1)
    return str(entry_id)


def test_only_parked_entries_are_discarded(streams: Streams, project: Project) -> None:
    write(streams, POISON)
    read()
    with pytest.raises(NotParked):
        discard(HeldEntry.objects.get())
    read_until_parked()
    discard(HeldEntry.objects.get())
    assert not HeldEntry.objects.exists()
    entry = AuditEntry.objects.get(action="bus.discard")
    assert entry.reason == "A mistake."
    assert POISON not in str(entry.before)
    read(later=timedelta(hours=1))
    assert not HeldEntry.objects.exists()


def test_a_lost_stream_is_read_anew_without_a_second_effect(
    streams: Streams, project: Project
) -> None:
    let_follow(project)
    bodies = [addressed(project, f"m{number}", "updated", number) for number in range(5)]
    write(streams, *bodies)
    read()
    streams.client.flushall()
    write(streams, *bodies)
    read()
    assert event_types(project) == ["customer.created"]
    InboxEntry.objects.all().delete()
    streams.client.flushall()
    write(streams, *bodies)
    read()
    assert event_types(project) == ["customer.created"]


def test_who_has_no_subscription_is_erased_also_if_those_are_ended_by_hand(
    streams: Streams, project: Project
) -> None:
    inbound_settings.configure(
        project=project,
        changes={"follows_stream": True, "cancels_subscriptions": False},
        actor="command",
        at=timezone.now(),
    )
    write(
        streams,
        addressed(project, "m1", "created", 1),
        addressed(project, "m2", "deleted", 2),
    )
    read()
    assert people(project) == []


def test_the_task_reads_the_configured_stream(streams: Streams, project: Project) -> None:
    let_follow(project)
    write(streams, addressed(project, "m1", "created", 1))
    for _ in range(2):
        tasks.read_inbound_stream()
    assert people(project) == [("ada", "", "")]


def test_without_a_stream_nothing_is_read(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("settings").INBOUND = InboundSources()
    for read_source in (sources.read_stream, sources.read_kafka):
        assert read_source(parse=messages.parse_entry, at=timezone.now()) == 0
