"""What a consumer of ours reads, and what it does with that."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery.bus.stream_names import EPOCH, STREAM_OF_ALL
from events.log import rendered
from events.log.rendered import RenderedEvent

LONGEST_ID, LONGEST_LANE = 192, 64
"""Characters that our tables hold."""


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """An entry as it is in the stream; ``entry_id`` is Redis'."""

    entry_id: str
    fields: Mapping[str, str]

    @property
    def number(self) -> int:
        """The first part of the id: in streams of the log a number without holes."""
        return first_part(self.entry_id)

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the stream: ids are compared as two numbers."""
        return place_of(self.entry_id)


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A parsed entry. ``message_id`` is the same for all copies. Messages of one ``lane`` keep
    their order; empty: no order."""

    message_id: str
    lane: str
    content: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReader:
    """One consumer of one stream.

    ``apply`` has its effect in our database, in the transaction that remembers the message.
    ``parse`` and ``apply`` raise an error for a message that cannot be dealt with: it is tried
    again, then parked. ``read_gap`` returns the first entries behind one number and up to another
    from where the stream comes from; without it ids may have holes. With it, an entry that fails is
    read again; without it, the entry's fields are stored. ``epoch_key`` is the key that changes
    when the stream is written anew.
    """

    consumer: str
    stream: str
    parse: Callable[[StreamEntry], StreamMessage]
    apply: Callable[[StreamMessage], None]
    read_gap: Callable[[int, int], Sequence[StreamEntry]] | None = None
    epoch_key: str | None = None

    def message_of(self, entry: StreamEntry) -> StreamMessage:
        """The parsed entry. Raises what ``parse`` raises, and ValueError for an id or a lane that
        our tables cannot hold."""
        message = self.parse(entry)
        for name, text, longest in (
            ("message_id", message.message_id, LONGEST_ID),
            ("lane", message.lane, LONGEST_LANE),
        ):
            is_text: bool = isinstance(text, str)  # parse has it from what others wrote
            if not is_text or len(text) > longest or "\0" in text:
                raise ValueError(f"The {name} is not a text of at most {longest} characters.")
        return message


def of_log(consumer: str, apply: Callable[[StreamMessage], None]) -> StreamReader:
    """A consumer of all projects' events; ``content`` is the body of an event, and ``project``."""
    return StreamReader(
        consumer=consumer,
        stream=STREAM_OF_ALL,
        parse=parse_event,
        apply=apply,
        read_gap=read_log,
        epoch_key=EPOCH,
    )


def parse_event(entry: StreamEntry) -> StreamMessage:
    """An event of the log. Raises KeyError and ValueError for an entry that is none."""
    fields = entry.fields
    content = {**json.loads(fields["body"]), "project": fields["project"]}
    return StreamMessage(fields["id"], fields["customer"], content)


def read_log(after: int, until: int) -> list[StreamEntry]:
    """Entries of the stream of all projects, from the log itself."""
    return [_entry(event) for event in rendered.page(after=after) if event.number <= until]


def place_of(entry_id: str) -> tuple[int, int]:
    first, _, second = entry_id.partition("-")
    return int(first), int(second)


def first_part(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def _entry(event: RenderedEvent) -> StreamEntry:
    fields = {
        "id": event.event_id,
        "type": event.event_type,
        "project": event.project_id,
        "customer": event.customer_id,
        "body": event.body.decode(),
    }
    return StreamEntry(f"{event.number}-0", fields)
