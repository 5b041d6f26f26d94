"""Receive request bodies in the event loop, with a time limit and a limit of concurrent bodies.

An incomplete body holds no thread, so slow senders do not delay other requests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from config.server.limits import Limits

BodyProtocol = Any
"""granian's ``RSGIHTTPProtocol``: a call receives the whole body, an iteration receives its
parts."""


class BodyTimeout(Exception):
    """The body took too long, or was dropped in favour of a newer one."""


class BodyTooLong(Exception):
    """A body without a Content-Length is longer than ``max_body_bytes``."""


class BodyIncomplete(Exception):
    """The caller closed the connection before the body was complete."""


class BodyQueue:
    """Bodies that are being received from one class of callers, oldest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[_Receipt, int] = {}  # largest size of each body, in bytes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    async def receive(self, protocol: BodyProtocol, *, length: int | None) -> bytes:
        """Return the whole body; ``length`` is None for a chunked one.

        Raises BodyTimeout, BodyTooLong or BodyIncomplete.
        """
        size = self._limits.max_body_bytes if length is None else length
        self._make_room(size)
        receipt = _Receipt(self._limits.seconds_for(length or 0))
        self._open[receipt] = size
        self._bytes += size
        try:
            return await receipt.wait_for(lambda: self._whole(protocol, length))
        finally:
            self._remove(receipt)

    def _make_room(self, size: int) -> None:
        """Drop the oldest bodies until there is room for ``size`` bytes."""
        limits = self._limits
        while self._open and (
            len(self._open) >= limits.max_open_bodies
            or self._bytes + size > limits.max_open_body_bytes
        ):
            oldest = next(iter(self._open))
            oldest.end()
            self._remove(oldest)

    def _remove(self, receipt: "_Receipt") -> None:
        self._bytes -= self._open.pop(receipt, 0)

    async def _whole(self, protocol: BodyProtocol, length: int | None) -> bytes:
        try:
            body = await protocol() if length is not None else await self._joined(protocol)
        except RuntimeError as error:  # granian raises it for a closed connection
            raise BodyIncomplete from error
        if length is not None and len(body) != length:
            raise BodyIncomplete
        return bytes(body)

    async def _joined(self, protocol: BodyProtocol) -> bytes:
        body = bytearray()
        async for part in protocol:
            body += part
            if len(body) > self._limits.max_body_bytes:
                raise BodyTooLong
        return bytes(body)


class _Receipt:
    """One body that is being received; ``end`` stops it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._task: asyncio.Task[Any] | None = None
        self._has_ended = False

    async def wait_for(self, receive: Callable[[], Awaitable[bytes]]) -> bytes:
        loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        timer = loop.call_later(self._seconds, self.end)
        try:
            return await receive()
        except asyncio.CancelledError:
            if self._has_ended and self._task is not None:
                self._task.uncancel()
                raise BodyTimeout from None
            raise
        finally:
            timer.cancel()

    def end(self) -> None:
        if self._task is not None and not self._has_ended:
            self._has_ended = True
            self._task.cancel()
