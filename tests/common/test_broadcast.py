"""Who listens hears what the others have changed; who has stopped keeps no copy, in silence."""

import pytest

from common import broadcast
from common.redis import client
from tests.listening import until


def say(what: str) -> None:
    client().publish(broadcast.channel(), broadcast.message("test", what))


def say_until_heard(what: str, heard: list[str]) -> None:
    """A message reaches those who listen at that moment, or nobody: it is said until it does."""

    def is_heard() -> bool:
        if broadcast.is_heard():
            say(what)
        return what in heard

    until(is_heard)


def test_heard_until_stopped_and_again_after(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard, emptied = list[str](), list[bool]()
    topic = broadcast.Topic(drop=heard.append, drop_all=lambda: emptied.append(True))
    monkeypatch.setitem(broadcast._topics, "test", topic)
    say_until_heard("ada", heard)

    emptied.clear()
    broadcast.stop()
    say("bob")

    assert emptied == [True]
    say_until_heard("eve", heard)
    assert set(heard) == {"ada", "eve"}
    assert "broadcast_lost" not in caplog.text
