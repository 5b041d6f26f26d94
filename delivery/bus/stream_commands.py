"""XADD as bytes on the wire.

A batch has a thousand of them, and packing each with a library takes longer than all else. An
event's fields are the same in both of its streams and are packed once.
"""

from functools import lru_cache

from events.log.rendered import RenderedEvent

_ARGUMENTS = 16
"""XADD, key, MAXLEN, ~, length, id, and five fields with their values."""
_FIELDS = (
    b"$2\r\nid\r\n%b$4\r\ntype\r\n%b$7\r\nproject\r\n%b$8\r\ncustomer\r\n%b"
    b"$4\r\nbody\r\n$%d\r\n%b\r\n"
)


def pack_fields(event: RenderedEvent) -> bytes:
    """The fields of the event's entries."""
    return _FIELDS % (
        _bulk(event.event_id),
        _frequent(event.event_type),
        _frequent(event.project_id),
        _frequent(event.customer_id),
        len(event.body),
        event.body,
    )


def pack_add(stream: str, *, number: int, fields: bytes, length: int) -> bytes:
    """XADD of the entry ``<number>-0``. ``length``: how many entries the stream keeps about."""
    entry_id = b"%d-0" % number
    return b"%b$%d\r\n%b\r\n%b" % (_head(stream, length), len(entry_id), entry_id, fields)


@lru_cache(maxsize=1024)
def _head(stream: str, length: int) -> bytes:
    parts = ("XADD", stream, "MAXLEN", "~", str(length))
    return b"*%d\r\n" % _ARGUMENTS + b"".join([_bulk(part) for part in parts])


def _bulk(text: str) -> bytes:
    encoded = text.encode()
    return b"$%d\r\n%b\r\n" % (len(encoded), encoded)


_frequent = lru_cache(maxsize=4096)(_bulk)
