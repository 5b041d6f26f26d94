"""Tell all processes to drop their cached copies of an object that this process has changed.

Redis carries the messages and may lose some, so copies have a limited age as well. A process that
is not subscribed, because it has just started or its connection broke, drops all copies and caches
nothing until it is subscribed again.
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
"""Seconds without a message after which Redis is pinged."""
PAUSE = 0.2
"""Seconds before a broken connection is opened again."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of cached object: how to drop one by its key, and how to drop all."""

    drop: Callable[[str], None]
    drop_all: Callable[[], None]


_topics: dict[str, Topic] = {}
_lock = threading.Lock()
_listener: "Listener | None" = None


def register(name: str, *, drop: Callable[[str], None], drop_all: Callable[[], None]) -> None:
    """Handle messages of this topic from now on. Called once, when the module of the cache is
    imported."""
    _topics[name] = Topic(drop, drop_all)


def invalidate(topic: str, key: str) -> None:
    """Drop the copy in this process at once, and in all others as soon as the message arrives."""
    exchange(("PUBLISH", channel(), message(topic, key)))
    _topics[topic].drop(key)


def channel() -> str:
    """One channel per Redis database; channels themselves are not separated by database."""
    return f"tollgate:{_database()}:changed"


def _database() -> int:
    parsed: dict[str, Any] = parse_url(settings.REDIS_URL)  # type: ignore[no-untyped-call]
    return int(parsed.get("db", 0))


def message(topic: str, key: str) -> str:
    """The content of a message, for callers that publish with a Lua script."""
    return f"{topic}|{key}"


def is_listening() -> bool:
    """Whether this process receives messages now. Starts the listener if there is none."""
    global _listener
    listener = _listener
    if listener is None or not listener.can_listen:
        with _lock:
            if _listener is None or not _listener.can_listen:
                if _listener is not None:
                    _listener.leave()
                _listener = Listener(settings.REDIS_URL, channel())
                _listener.start()
            listener = _listener
    return listener.is_live


def stop() -> None:
    """Stop the listener and drop all copies; a later call of ``is_listening`` starts a new one."""
    global _listener
    with _lock:
        listener, _listener = _listener, None
    if listener is not None:
        listener.stop()


class Listener(threading.Thread):
    """Receives the messages of one Redis server until another is configured or it is stopped."""

    def __init__(self, url: str, channel: str) -> None:
        super().__init__(name="invalidation", daemon=True)
        self.url = url
        self.is_live = False
        self._channel = channel
        self._stopped = threading.Event()

    @property
    def can_listen(self) -> bool:
        """Whether its thread lives, and its server is the one that is configured."""
        return self.url == settings.REDIS_URL and self.is_alive()

    def leave(self) -> None:
        """End soon, even if its server is configured again: two listeners would get each message
        twice."""
        self._stopped.set()

    def stop(self) -> None:
        """Stop, and wait until the thread has ended."""
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
            is_pinged = False
            while self._is_wanted():
                received = subscription.get_message(timeout=PATIENCE)
                if self._stopped.is_set():
                    return
                if received is not None:
                    is_pinged = False
                    self._hear(received)
                elif is_pinged:
                    raise redis.ConnectionError("Redis did not answer a ping.")
                else:
                    is_pinged = True
                    subscription.ping()

    def _hear(self, received: dict[str, Any]) -> None:
        if received["type"] == "subscribe":
            self._drop_all()  # earlier messages did not reach this process
            self.is_live = True
        elif received["type"] == "message":
            topic, _, key = received["data"].decode(errors="replace").partition("|")
            if topic in _topics:
                _topics[topic].drop(key)

    def _lose(self) -> None:
        self.is_live = False
        self._drop_all()

    def _drop_all(self) -> None:
        for topic in _topics.values():
            with suppress(Exception):  # an error of one topic must not leave old copies of another
                topic.drop_all()


def _after_fork() -> None:
    """Forget listener and lock: the threads of the parent process do not exist here."""
    global _listener, _lock
    _listener, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
