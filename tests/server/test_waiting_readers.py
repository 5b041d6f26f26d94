"""Readers who wait for events hold no thread, and are answered when there is news."""

import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from django.utils import timezone
from pytest_django import Settings

from config.server.files import allow_many_files
from config.server.limits import Limits
from events.log import sequencer
from projects.keys.key_cache import MAX_AGE_SECONDS
from projects.models import ApiKey, Project
from tests.events.log.recording import record
from tests.factories.projects import key_of
from tests.server.web_server import Answer, answer, head, request, web_server
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "/api/v1/events"
READERS_PER_KEY = 40
PLACES = Limits().max_waiting_per_key


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """One server for the module: places and pages belong to keys, and each test has its own."""
    allow_many_files()
    with web_server(tmp_path_factory.mktemp("web") / "web.log") as port:
        yield port


@contextmanager
def waiting(
    port: int, key: str, count: int, query: str = "wait=30"
) -> Iterator[list[socket.socket]]:
    """So many readers who have asked and got no answer yet."""
    with ExitStack() as stack:
        readers = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            one.sendall(head("GET", f"{FEED}?{query}", Authorization=f"Bearer {key}"))
            readers.append(one)
        yield readers


def page(port: int, key: str, query: str = "") -> Answer:
    return request(port, "GET", f"{FEED}?{query}", Authorization=f"Bearer {key}")


def ids_of(one: Answer) -> list[str]:
    assert one.status == 200, one.body
    return [event["id"] for event in one.json()["data"]]


def test_hundreds_wait_without_a_thread_and_all_hear_of_an_event(
    port: int, project: Project, other_project: Project
) -> None:
    """Ten times as many as there are threads, while other requests go on."""
    keys = [key_of(project) for _ in range(4)]
    foreign = key_of(other_project)
    with ExitStack() as stack:
        readers = [
            reader
            for key in keys
            for reader in stack.enter_context(waiting(port, key, READERS_PER_KEY))
        ]
        (outsider,) = stack.enter_context(waiting(port, foreign, 1, "wait=3"))
        for _ in range(20):
            assert ids_of(page(port, foreign)) == []
        event_id = record(project)
        sequencer.run()
        assert [ids_of(answer(reader)) for reader in readers] == [[event_id]] * len(readers)
        assert ids_of(answer(outsider)) == []


def test_a_reader_hears_of_an_event_without_redis(
    port: int, project: Project, settings: Settings
) -> None:
    """Nobody announces it: the look at the heads finds it."""
    key = key_of(project)
    with waiting(port, key, 1) as (reader,):
        assert ids_of(page(port, key)) == []
        event_id = record(project)
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        sequencer.run()
        assert ids_of(answer(reader)) == [event_id]


def test_a_key_has_a_limited_number_of_places_and_who_hangs_up_leaves_one(
    port: int, project: Project
) -> None:
    """Each of the two processes has as many, however the readers are spread over them."""
    key = key_of(project)
    with waiting(port, key, 2 * PLACES + 1) as readers:
        answered, _, _ = select.select(readers, [], [], PATIENCE)
        assert "tollgate-poll-after" in answer(answered[0]).headers
        for reader in readers:
            reader.close()
        wait_until(lambda: not is_sent_away(port, key))


def is_sent_away(port: int, key: str) -> bool:
    """Whether a reader is told to ask again instead of being let wait. Takes a second if not."""
    one = page(port, key, "wait=1")
    assert ids_of(one) == []
    return "tollgate-poll-after" in one.headers


def test_a_stopping_server_lets_its_readers_go(project: Project, tmp_path: Path) -> None:
    """At once, and with an answer: a deployment does not wait for them."""
    key = key_of(project)
    with web_server(tmp_path / "web.log") as port, waiting(port, key, 6) as readers:
        (server,) = (
            each
            for each in psutil.Process().children()
            if {"config.serve", str(port)} <= set(each.cmdline())
        )
        assert ids_of(page(port, key)) == []
        server.send_signal(signal.SIGTERM)
        assert [ids_of(answer(reader)) for reader in readers] == [[]] * 6


def test_a_key_that_is_revoked_while_its_reader_waits_gets_nothing(
    port: int, project: Project
) -> None:
    """Not even the page that another reader has just read."""
    keys = [key_of(project) for _ in range(3)]
    with ExitStack() as stack:
        readers = [reader for key in keys for reader in stack.enter_context(waiting(port, key, 4))]
        assert page(port, keys[0]).status == 200
        first = ApiKey.objects.for_project(project).earliest("id")
        ApiKey.objects.for_project(project).filter(pk=first.pk).update(revoked_at=timezone.now())
        time.sleep(MAX_AGE_SECONDS)  # nobody has told the processes, which may hold the key
        record(project)
        sequencer.run()
        assert [answer(reader).status for reader in readers] == [401] * 4 + [200] * 8
