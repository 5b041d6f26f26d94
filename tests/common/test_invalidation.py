"""Who listens hears what the others have changed; who has stopped keeps no copy, in silence."""

import pytest
from pytest_django import Settings

from common import invalidation
from common.redis import client
from tests.listening import hear, until


def say(what: str) -> None:
    client().publish(invalidation.channel(), invalidation.message("test", what))


def test_heard_until_stopped_and_again_after(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard, emptied = list[str](), list[bool]()
    topic = invalidation.Topic(drop=heard.append, drop_all=lambda: emptied.append(True))
    monkeypatch.setitem(invalidation._topics, "test", topic)
    until(invalidation.is_listening)
    say("ada")
    until(lambda: heard == ["ada"])

    emptied.clear()
    invalidation.stop()
    say("bob")

    assert emptied == [True]
    until(invalidation.is_listening)
    assert emptied == [True, True], "what was said meanwhile was said to nobody"
    say("eve")
    until(lambda: "eve" in heard)
    assert heard == ["ada", "eve"]
    assert "broadcast_lost" not in caplog.text


def test_a_server_that_is_configured_again_is_heard_once(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """The first listener must not go on beside the one that has taken its place."""
    heard = list[str]()
    topic = invalidation.Topic(drop=heard.append, drop_all=lambda: None)
    monkeypatch.setitem(invalidation._topics, "test", topic)
    until(invalidation.is_listening)
    here = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    invalidation.is_listening()
    settings.REDIS_URL = here

    until(invalidation.is_listening)
    say("ada")
    say("end")
    until(lambda: heard.count("end") >= 1)
    hear()

    assert heard == ["ada", "end"]
