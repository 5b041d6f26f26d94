"""Frames of the pipes between parent and child: two lengths, a JSON head, a raw body."""

import struct
from collections.abc import Iterator
from typing import Any

import orjson

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 256 * 1024
_LENGTHS = struct.Struct(">II")


class FrameRefused(ValueError):
    """A frame is larger than allowed, or its head is not a JSON object."""


def encode_frame(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Raises FrameRefused for a head or body that is too large, and for a head with a lone
    surrogate."""
    try:
        text = orjson.dumps(head)
    except TypeError as error:
        raise FrameRefused(f"The head of the frame is not JSON: {error}") from error
    if len(text) > MAX_HEAD_BYTES or len(body) > MAX_BODY_BYTES:
        raise FrameRefused(
            f"A head of {len(text)} and a body of {len(body)} bytes are too large for a frame."
        )
    return b"".join((_LENGTHS.pack(len(text), len(body)), text, body))


class FrameReader:
    """Finds frames in a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield head and body of all frames that are now complete. Raises FrameRefused."""
        buffer = self._buffer
        buffer += data
        start, end = 0, len(buffer)
        try:
            while end - start >= _LENGTHS.size:
                head_size, body_size = _LENGTHS.unpack_from(buffer, start)
                if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
                    raise FrameRefused("The other end announced a frame that is too large.")
                head_start = start + _LENGTHS.size
                body_start = head_start + head_size
                if end < body_start + body_size:
                    break
                head = _read_head(bytes(buffer[head_start:body_start]))
                start = body_start + body_size
                yield head, bytes(buffer[body_start:start])
        finally:
            del buffer[:start]


def _read_head(text: bytes) -> dict[str, Any]:
    try:
        head = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FrameRefused("The head of a frame is not JSON.") from error
    if not isinstance(head, dict):
        raise FrameRefused("The head of a frame is not a JSON object.")
    return head
