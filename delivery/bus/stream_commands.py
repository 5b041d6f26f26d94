"""XADD as bytes on the wire.

A batch has a thousand of them, and packing each with a library takes longer than all else. An
event's fields are the same in both of its streams and are packed once.
"""

from functools import lru_cache
from typing import NamedTuple

from events.log.rendered import RenderedEvent

_ARGUMENTS = 16
"""XADD, key, MAXLEN, ~, length, id, and five fields with their values. A trace makes it six."""
_FIELDS = (
    b"$2\r\nid\r\n%b$4\r\ntype\r\n%b$7\r\nproject\r\n%b$8\r\ncustomer\r\n%b"
    b"$4\r\nbody\r\n$%d\r\n%b\r\n"
)
_TRACE = b"$11\r\ntraceparent\r\n%b"


class PackedFields(NamedTuple):
    """The fields of an event's entries, and the number of the command's arguments with them."""

    arguments: int
    fields: bytes


def pack_fields(event: RenderedEvent) -> PackedFields:
    fields = _FIELDS % (
        _bulk(event.event_id),
        _frequent(event.event_type),
        _frequent(event.project_id),
        _frequent(event.customer_id),
        len(event.body),
        event.body,
    )
    if not event.traceparent:
        return PackedFields(_ARGUMENTS, fields)
    return PackedFields(_ARGUMENTS + 2, fields + _TRACE % _bulk(event.traceparent))


def pack_add(stream: str, *, number: int, packed: PackedFields, length: int) -> bytes:
    """XADD of the entry ``<number>-0``. ``length``: how many entries the stream keeps about."""
    entry_id, head = b"%d-0" % number, _head(stream, length, packed.arguments)
    return b"%b$%d\r\n%b\r\n%b" % (head, len(entry_id), entry_id, packed.fields)


@lru_cache(maxsize=1024)
def _head(stream: str, length: int, arguments: int) -> bytes:
    parts = ("XADD", stream, "MAXLEN", "~", str(length))
    return b"*%d\r\n" % arguments + b"".join([_bulk(part) for part in parts])


def _bulk(text: str) -> bytes:
    encoded = text.encode()
    return b"$%d\r\n%b\r\n" % (len(encoded), encoded)


_frequent = lru_cache(maxsize=4096)(_bulk)
