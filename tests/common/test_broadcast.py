"""Processes hear each other's invalidations, and drop their copies when they cannot."""

import pytest
from pytest_django import Settings

from common import broadcast
from common.redis import client
from tests.broadcast_sync import receive_broadcasts, wait_until


def publish(what: str) -> None:
    client().publish(broadcast.channel(), broadcast.message("test", what))


def test_messages_arrive_until_the_listener_stops_and_after_it_restarts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard, emptied = list[str](), list[bool]()
    topic = broadcast.Topic(drop=heard.append, drop_all=lambda: emptied.append(True))
    monkeypatch.setitem(broadcast._topics, "test", topic)
    wait_until(broadcast.is_heard)
    publish("ada")
    wait_until(lambda: heard == ["ada"])

    emptied.clear()
    broadcast.stop()
    publish("bob")

    assert emptied == [True]
    wait_until(broadcast.is_heard)
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
    topic = broadcast.Topic(drop=heard.append, drop_all=lambda: None)
    monkeypatch.setitem(broadcast._topics, "test", topic)
    wait_until(broadcast.is_heard)
    here = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    broadcast.is_heard()
    settings.REDIS_URL = here

    wait_until(broadcast.is_heard)
    publish("ada")
    publish("end")
    wait_until(lambda: heard.count("end") >= 1)
    receive_broadcasts()

    assert heard == ["ada", "end"]
