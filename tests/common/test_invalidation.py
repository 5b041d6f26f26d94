"""Processes hear each other's invalidations, and drop their copies when they cannot."""

import threading

import pytest
from pytest_django import Settings

from common import invalidation
from common.redis import client
from tests.broadcast_sync import receive_broadcasts
from tests.waiting import wait_until


def publish(what: str) -> None:
    client().publish(invalidation.channel(), invalidation.message("test", what))


def test_messages_arrive_until_the_listener_stops_and_after_it_restarts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard, emptied = list[str](), list[bool]()
    topic = invalidation.Topic(drop=heard.append, drop_all=lambda: emptied.append(True))
    monkeypatch.setitem(invalidation._topics, "test", topic)
    wait_until(invalidation.is_listening)
    publish("ada")
    wait_until(lambda: heard == ["ada"])

    emptied.clear()
    invalidation.stop()
    publish("bob")

    assert emptied == [True]
    wait_until(invalidation.is_listening)
    assert emptied == [True, True], "what was said meanwhile was said to nobody"
    publish("eve")
    wait_until(lambda: "eve" in heard)
    assert heard == ["ada", "eve"]
    assert "broadcast_lost" not in caplog.text


def test_a_reconfigured_server_is_subscribed_once(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """The first listener must not go on beside the one that has taken its place."""
    heard = list[str]()
    topic = invalidation.Topic(drop=heard.append, drop_all=lambda: None)
    monkeypatch.setitem(invalidation._topics, "test", topic)
    wait_until(invalidation.is_listening)
    here = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    invalidation.is_listening()
    settings.REDIS_URL = here

    wait_until(invalidation.is_listening)
    publish("ada")
    publish("end")
    wait_until(lambda: heard.count("end") >= 1)
    receive_broadcasts()

    assert heard == ["ada", "end"]


def test_a_listener_that_has_ended_is_replaced(settings: Settings) -> None:
    """It ends by itself while another server is configured."""
    wait_until(invalidation.is_listening)
    (listener,) = (each for each in threading.enumerate() if each.name == "invalidation")
    here = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    listener.join()
    settings.REDIS_URL = here
    wait_until(invalidation.is_listening)
