"""A consumer group of Redis Streams, as one process of a consumer uses it."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from delivery.bus.bus import BusUnavailable
from delivery.bus.readers import StreamEntry, StreamReader

READ_AT_ONCE = 100
BLOCK_SECONDS = 2.0
"""How long a read waits for the first entry."""
TIMEOUT_SECONDS = 0.5
"""Longest wait for a reply, on top of that; for a connection, half of it."""
IDLE_SECONDS = 60
"""An entry that a process has had for so long without acknowledging it is taken over."""
STALE_SECONDS = 3600
"""A process that has not asked for so long, and has nothing left, is removed from the group."""


class GroupMissing(Exception):
    """The stream or the group is gone, as after a loss of the server's data."""


class StreamGroup:
    """Reads a stream in the name of a consumer; the server remembers who has which entry."""

    def __init__(self, url: str, reader: StreamReader) -> None:
        self._stream, self._group = reader.stream, reader.consumer
        self._process = f"{socket.gethostname()}-{os.getpid()}"
        self._epoch_key = reader.epoch_key
        self._client = redis.Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="backslashreplace",
            protocol=2,
            retry=None,
            socket_connect_timeout=TIMEOUT_SECONDS / 2,
            socket_timeout=BLOCK_SECONDS + TIMEOUT_SECONDS,
        )

    def epoch(self) -> str | None:
        """The history of positions in the stream, "" if it has none; None while the stream is
        rebuilt."""
        if self._epoch_key is None:
            return ""
        with _errors():
            epoch: Any = self._client.get(self._epoch_key)
        return None if epoch is None else str(epoch)

    def begin_after(self, entry_id: str) -> None:
        """Let the group go on behind this entry. Creates it if it is missing."""
        with _errors():
            try:
                self._client.xgroup_create(self._stream, self._group, id=entry_id, mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
                self._client.xgroup_setid(self._stream, self._group, id=entry_id)

    def own_pending(self) -> list[StreamEntry]:
        """Entries that this process was given and has not acknowledged, as after an error."""
        return self._read("0", block=None)

    def new(self, *, is_blocking: bool = True) -> list[StreamEntry]:
        """Entries that no process has got yet; waits for one."""
        return self._read(">", block=int(BLOCK_SECONDS * 1000) if is_blocking else None)

    def take_over(self) -> list[StreamEntry]:
        """Entries of processes that have not acknowledged them for IDLE_SECONDS."""
        with _errors():
            reply: Any = self._client.xautoclaim(
                self._stream,
                self._group,
                self._process,
                min_idle_time=IDLE_SECONDS * 1000,
                count=READ_AT_ONCE,
            )
        return list(_kept(reply[1]))

    def between(self, after: str, until: str) -> list[StreamEntry]:
        """Entries behind the first id up to the second, whoever was given them."""
        with _errors():
            entries: Any = self._client.xrange(self._stream, min=f"({after}", max=until)
        return list(_kept(entries))

    def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        """Say that these entries are dealt with."""
        if entries:
            ids = [entry.entry_id for entry in entries]
            with _errors():
                self._client.xack(self._stream, self._group, *ids)

    def remove_stale(self) -> int:
        """Remove processes that are gone and have nothing left. Returns how many."""
        removed = 0
        with _errors():
            consumers: Any = self._client.xinfo_consumers(self._stream, self._group)
            for consumer in consumers:
                is_stale = consumer["idle"] > STALE_SECONDS * 1000 and not consumer["pending"]
                if is_stale and consumer["name"] != self._process:
                    self._client.xgroup_delconsumer(self._stream, self._group, consumer["name"])
                    removed += 1
        return removed

    def close(self) -> None:
        self._client.close()

    def _read(self, after: str, *, block: int | None) -> list[StreamEntry]:
        with _errors():
            reply: Any = self._client.xreadgroup(
                self._group, self._process, {self._stream: after}, count=READ_AT_ONCE, block=block
            )
        entries = reply[0][1] if reply else []
        trimmed = [StreamEntry(entry_id, {}) for entry_id, fields in entries if not fields]
        self.acknowledge(trimmed)  # read from the log, as a gap in front of a later entry
        return list(_kept(entries))


def _kept(entries: Sequence[tuple[str | None, dict[str, str] | None]]) -> Iterator[StreamEntry]:
    """The entries that are still in the stream; Redis 6 returns nil for others."""
    for entry_id, fields in entries:
        if entry_id is not None and fields:
            yield StreamEntry(entry_id, fields)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except redis.ResponseError as error:
        if str(error).startswith(("NOGROUP", "ERR no such key")):
            raise GroupMissing from error
        raise BusUnavailable(str(error)) from error
    except (redis.RedisError, OSError) as error:
        raise BusUnavailable(f"{type(error).__name__}: {error}") from error
