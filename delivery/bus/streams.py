"""Redis Streams: one stream of all projects and one of each project.

The id of an entry is ``<number>-0`` in the stream of all, ``<position>-0`` in the project's. Redis
refuses an id that is not larger than the last one, so publishing again changes nothing.

A batch is one transaction of Redis that watches the key of the epoch: nobody can have emptied the
server between the look at the streams and the batch, and a relay that was frozen for minutes writes
nothing after another one has rebuilt the streams.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import redis
from hiredis import pack_command
from redis.connection import parse_url

from common.redis import RedisConnection
from delivery.bus.bus import BusAhead, BusUnavailable
from delivery.bus.stream_commands import PackedFields, pack_add, pack_fields
from delivery.bus.stream_names import EPOCH, STREAM_OF_ALL, stream_of
from delivery.conf import BusSettings
from events.log import rendered
from events.log import selectors as event_log
from events.log.rendered import RenderedEvent

ANSWER_SECONDS = 1.0
"""Longest wait for a reply; a connection is made within 0.25 s."""
NO_STREAM = "ERR no such key"
ALREADY_THERE = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
PROJECTS_AT_ONCE = 500


class StreamTop(NamedTuple):
    """The number of the last entry that a stream has had, and its event if it is kept."""

    number: int = 0
    event_id: str = ""


@dataclass(slots=True)
class StreamsBus:
    """The streams on one server, for one run of the relay."""

    settings: BusSettings
    outlet: str = "bus"
    _connection: RedisConnection | None = None
    _positions: dict[str, int] = field(default_factory=dict)
    """The last position in projects' streams, as far as this run has looked or written."""

    def publish(
        self,
        events: Sequence[RenderedEvent],
        *,
        after: int,
        epoch: str,
        meanwhile: Callable[[], None],
    ) -> int:
        first = {event.project_id: event.position for event in reversed(events)}
        bus_epoch, top = self._look(first)
        if bus_epoch != epoch:
            self._clear(epoch)
            return 0
        if top.number < after:
            return top.number
        if top.number > after and _is_of_another_history(top):
            raise BusAhead
        self._complete_projects(first, epoch)
        if not events or not self._add_all(events, meanwhile):
            return after
        return events[-1].number

    def forget(self) -> None:
        self._exchange_all(("DEL", EPOCH))

    def complete(self) -> int:
        """Fill up the streams of all projects, and return how many events were missing. The relay
        does so only for projects that have a new event."""
        added = 0
        for heads in _pages_of_heads():
            epoch, _ = self._look(heads)
            behind_heads = {each: head + 1 for each, head in heads.items()}
            added += self._complete_projects(behind_heads, epoch)
            self._positions.clear()
        return added

    def close(self) -> None:
        self._positions.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _look(self, project_ids: Collection[str]) -> tuple[str, StreamTop]:
        """Watch the epoch; return it and the end of the stream of all. Notes where the streams of
        these projects end."""
        unseen = [project_id for project_id in project_ids if project_id not in self._positions]
        watched, epoch, *tops = self._exchange(
            ("WATCH", EPOCH),
            ("GET", EPOCH),
            ("XINFO", "STREAM", STREAM_OF_ALL),
            *(("XINFO", "STREAM", stream_of(project_id)) for project_id in unseen),
        )
        _raise_refusal(watched)
        _raise_refusal(epoch)
        top, *project_tops = [_top(reply) for reply in tops]
        for project_id, project_top in zip(unseen, project_tops, strict=True):
            self._positions[project_id] = project_top.number
        return (epoch or b"").decode(), top

    def _complete_projects(self, first: Mapping[str, int], epoch: str) -> int:
        """Fill up the streams of projects that end before the position in front of their first
        event, as a deleted one does. Returns how many events were missing. The epoch is watched
        afterwards as before."""
        added = 0
        for project_id, position in first.items():
            until = position - 1
            after = max(self._positions[project_id], until - self.settings.project_length)
            while after < until:
                events = rendered.page_of_project(project_id=project_id, after=after, until=until)
                if not events:
                    break
                self._transact([self._add_to_project(each, pack_fields(each)) for each in events])
                if self._look(())[0] != epoch:
                    raise BusUnavailable("The streams are being rebuilt.")
                after, added = events[-1].position, added + len(events)
        return added

    def _add_all(self, events: Sequence[RenderedEvent], meanwhile: Callable[[], None]) -> bool:
        """Add the events to their streams; False if these have been rebuilt since the look."""
        commands = []
        for event in events:
            packed = pack_fields(event)
            commands.append(self._add_to_all(event, packed))
            commands.append(self._add_to_project(event, packed))
        is_added = self._transact(commands, meanwhile)
        if is_added:
            self._positions |= {event.project_id: event.position for event in events}
        else:
            self._positions.clear()
        return is_added

    def _add_to_all(self, event: RenderedEvent, packed: PackedFields) -> bytes:
        return pack_add(
            STREAM_OF_ALL, number=event.number, packed=packed, length=self.settings.length
        )

    def _add_to_project(self, event: RenderedEvent, packed: PackedFields) -> bytes:
        return pack_add(
            stream_of(event.project_id),
            number=event.position,
            packed=packed,
            length=self.settings.project_length,
        )

    def _clear(self, epoch: str) -> None:
        """Delete all streams, then name the epoch: a relay that dies in between begins anew."""
        self._exchange_all(("DEL", EPOCH), ("UNLINK", STREAM_OF_ALL))
        for heads in _pages_of_heads():
            self._exchange_all(("UNLINK", *(stream_of(project_id) for project_id in heads)))
        self._exchange_all(("SET", EPOCH, epoch), ("UNWATCH",))
        self._positions.clear()

    def _transact(
        self, commands: Sequence[bytes], meanwhile: Callable[[], None] = lambda: None
    ) -> bool:
        """Add entries in one transaction; an entry that is there already counts as added. False if
        the epoch has changed: nothing is added."""
        packed = [b"*1\r\n$5\r\nMULTI\r\n", *commands, b"*1\r\n$4\r\nEXEC\r\n"]
        *queued, added = self._send(b"".join(packed), len(packed), meanwhile)
        for reply in (*queued, added):
            _raise_refusal(reply)
        for reply in added or ():
            if not (isinstance(reply, Exception) and str(reply) == ALREADY_THERE):
                _raise_refusal(reply)
        return added is not None

    def _exchange_all(self, *commands: tuple[str | int, ...]) -> None:
        for reply in self._exchange(*commands):
            _raise_refusal(reply)

    def _exchange(self, *commands: tuple[str | int, ...]) -> list[Any]:
        packed = b"".join([pack_command(command) for command in commands])  # type: ignore[arg-type]
        return self._send(packed, len(commands))

    def _send(
        self, packed: bytes, replies: int, meanwhile: Callable[[], None] = lambda: None
    ) -> list[Any]:
        try:
            connection = self._connection or self._connect()
            connection.send(packed)
            meanwhile()
            return connection.receive(replies)
        except (redis.RedisError, OSError) as error:
            raise BusUnavailable(f"{type(error).__name__}: {error}") from error

    def _connect(self) -> RedisConnection:
        options: dict[str, Any] = parse_url(self.settings.url)  # type: ignore[no-untyped-call]
        self._connection = RedisConnection(options, timeout=ANSWER_SECONDS)
        return self._connection


def _top(reply: Any) -> StreamTop:
    """The end of a stream from the reply to XINFO STREAM."""
    if isinstance(reply, Exception) and str(reply) == NO_STREAM:
        return StreamTop()
    _raise_refusal(reply)
    stream = dict(zip(reply[::2], reply[1::2], strict=True))
    number = int(stream[b"last-generated-id"].partition(b"-")[0])
    if stream[b"last-entry"] is None:
        return StreamTop(number)
    _, values = stream[b"last-entry"]
    fields = dict(zip(values[::2], values[1::2], strict=True))
    return StreamTop(number, fields.get(b"id", b"").decode())


def _pages_of_heads() -> Iterator[dict[str, int]]:
    """The newest position of each project, some hundred projects at a time."""
    after = ""
    while heads := event_log.head_page(after=after, limit=PROJECTS_AT_ONCE):
        yield heads
        after = max(heads)


def _is_of_another_history(top: StreamTop) -> bool:
    """Whether the log does not have the last event of the stream."""
    if top.number > event_log.last_number():
        return True
    event_id = event_log.event_at(top.number)
    return "" not in (top.event_id, event_id or "") and event_id != top.event_id


def _raise_refusal(reply: Any) -> None:
    if isinstance(reply, Exception):
        raise BusUnavailable(str(reply)) from reply
