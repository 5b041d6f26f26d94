"""Who listens hears what the others have changed; who has stopped keeps no copy, in silence."""

import pytest

from common import broadcast
from common.redis import client
from tests.listening import until


def say(what: str) -> None:
    client().publish(broadcast.channel(), broadcast.message("test", what))


def test_heard_until_stopped_and_again_after(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard, emptied = list[str](), list[bool]()
    topic = broadcast.Topic(drop=heard.append, drop_all=lambda: emptied.append(True))
    monkeypatch.setitem(broadcast._topics, "test", topic)
    until(broadcast.is_heard)
    say("ada")
    until(lambda: heard == ["ada"])

    emptied.clear()
    broadcast.stop()
    say("bob")

    assert emptied == [True]
    until(broadcast.is_heard)
    say("eve")
    until(lambda: "eve" in heard)
    assert heard == ["ada", "eve"]
    assert "broadcast_lost" not in caplog.text
