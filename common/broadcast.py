"""Word from one process to all others: what this one has changed, they drop their copies of.

Redis carries the messages and may lose any of them, so a copy has a bounded age as well. A
process that is not listening, because it has just begun or its connection broke, drops every
copy and keeps none until it listens again: what it may have missed cannot be wrong then.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from django.conf import settings
from redis.connection import parse_url

from common.redis import TIMEOUT, exchange

log = structlog.get_logger(__name__)

PATIENCE = 1.0
"""Seconds of silence after which the other side is asked for a sign of life."""
PAUSE = 0.2
"""Seconds before a broken connection is tried again."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of copies: how to drop the one that a message names, and how to drop all."""

    drop: Callable[[str], None]
    drop_all: Callable[[], None]


_topics: dict[str, Topic] = {}
_lock = threading.Lock()
_listener: "Listener | None" = None


def register(name: str, *, drop: Callable[[str], None], drop_all: Callable[[], None]) -> None:
    """From now on messages about this topic are heard. Called once, when its module is loaded."""
    _topics[name] = Topic(drop, drop_all)


def tell(topic: str, what: str) -> None:
    """Drop it here at once, and in every other process as soon as the message arrives."""
    exchange(("PUBLISH", channel(), message(topic, what)))
    _topics[topic].drop(what)


def channel() -> str:
    """One per Redis database, which channels know nothing of."""
    return f"tollgate:{_database()}:changed"


def _database() -> int:
    parsed: dict[str, Any] = parse_url(settings.REDIS_URL)  # type: ignore[no-untyped-call]
    return int(parsed.get("db", 0))


def message(topic: str, what: str) -> str:
    """What is published, for those who publish by a script of their own."""
    return f"{topic}|{what}"


def is_heard() -> bool:
    """Whether this process hears what the others say now. Begins to listen when asked first."""
    global _listener
    listener = _listener
    if listener is None or listener.url != settings.REDIS_URL:
        with _lock:
            if _listener is None or _listener.url != settings.REDIS_URL:
                if _listener is not None:
                    _listener.leave()
                _listener = Listener(settings.REDIS_URL, channel())
                _listener.start()
            listener = _listener
    return listener.is_live


def stop() -> None:
    """Listen no more and drop every copy, as before the server stops; asked again, begin anew."""
    global _listener
    with _lock:
        listener, _listener = _listener, None
    if listener is not None:
        listener.stop()


class Listener(threading.Thread):
    """Reads the messages of one server until another one is configured, or it is told to stop."""

    def __init__(self, url: str, channel: str) -> None:
        super().__init__(name="broadcast", daemon=True)
        self.url = url
        self.is_live = False
        self._channel = channel
        self._stopped = threading.Event()

    def leave(self) -> None:
        """End soon, even if its server is configured again: two would hear each message twice."""
        self._stopped.set()

    def stop(self) -> None:
        """Returns when nothing is read any more."""
        self.leave()
        self.join()

    def run(self) -> None:
        while self._is_wanted():
            try:
                self._listen()
            except (redis.RedisError, OSError, ValueError) as error:
                if self.is_live:
                    log.warning("broadcast_lost", error=type(error).__name__)
            self._lose()
            self._stopped.wait(PAUSE)

    def _is_wanted(self) -> bool:
        return self.url == settings.REDIS_URL and not self._stopped.is_set()

    def _listen(self) -> None:
        connection = redis.Redis.from_url(
            self.url, protocol=2, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT, retry=None
        )
        with connection, connection.pubsub() as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(self._channel)
            silent = False
            while self._is_wanted():
                heard = subscription.get_message(timeout=PATIENCE)
                if self._stopped.is_set():
                    return
                if heard is not None:
                    silent = False
                    self._hear(heard)
                elif silent:
                    raise redis.ConnectionError("No sign of life.")
                else:
                    silent = True
                    subscription.ping()

    def _hear(self, heard: dict[str, Any]) -> None:
        if heard["type"] == "subscribe":
            self._drop_all()  # what was said before was said to nobody
            self.is_live = True
        elif heard["type"] == "message":
            topic, _, what = heard["data"].decode(errors="replace").partition("|")
            if topic in _topics:
                _topics[topic].drop(what)

    def _lose(self) -> None:
        self.is_live = False
        self._drop_all()

    def _drop_all(self) -> None:
        for topic in _topics.values():
            with suppress(Exception):  # one topic's trouble leaves no other with old copies
                topic.drop_all()


def _after_fork() -> None:
    """The parent's threads are not here: neither the listener nor who may have held the lock."""
    global _listener, _lock
    _listener, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
