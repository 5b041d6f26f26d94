"""A connection to a receiver: one request after another, each with its response."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import h11

from delivery.sender.messages import SendFault
from delivery.sender.request import STAND_IN
from delivery.sender.response import CLOSED_EARLY, MAX_HEAD_BYTES, ReceiverResponse
from delivery.sender.targets import SendTarget

END = h11.EndOfMessage()


class ReceiverConnection(asyncio.Protocol):
    """Sends a request and reads its response.

    After anything odd it is closed at once (``abort``): a rest of a response must not be taken for
    the next one.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, target: SendTarget, address: str, opened_at: float
    ) -> None:
        self.target = target
        self.address = address
        self.opened_at = opened_at
        self.requests = 0
        self.on_idle_lost: Callable[[ReceiverConnection], None] | None = None
        """Called if it closes while it waits for a request."""
        self._loop = loop
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._transport: asyncio.Transport | None = None
        self._response: ReceiverResponse | None = None
        self._ended: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def end_cycle(self) -> bool:
        """Prepare for the next request; false if the last response did not come to its end, or if
        anything followed it."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() or self._http.trailing_data[0]:
            return False
        if self._response is None or self._response.has_surplus:
            return False
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def send(self, request: bytes) -> ReceiverResponse:
        """Write the request; ``wait`` for its response. Raises ConnectionError if the connection is
        closed."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError
        self._http.send(STAND_IN)
        self._http.send(END)
        self.requests += 1
        self._response = response = ReceiverResponse(self._http)
        self._ended = self._loop.create_future()
        self._transport.write(request)
        return response

    async def wait(self) -> None:
        """Return when the response has ended."""
        if self._ended is not None:
            await self._ended

    def abort(self) -> None:
        """Close the connection at once; what is not yet sent is lost."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None or response.has_ended:  # no request is under way
            self.abort()
            return
        if response.first_byte_at is None:
            response.first_byte_at = time.monotonic()
        if response.feed(data):
            self._end()

    def eof_received(self) -> None:
        self._end_input(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end_input(error)
        if self.on_idle_lost is not None:
            self.on_idle_lost(self)

    def _end_input(self, error: Exception | None) -> None:
        """Without an error, the end of the connection can be the regular end of the response."""
        response = self._response
        if response is not None and not response.has_ended:
            if error is None:
                response.feed(b"")
            response.end(SendFault.CONNECTION_LOST, CLOSED_EARLY)
            self._end()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
