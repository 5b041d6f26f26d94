"""Calls whose message has not arrived yet. Each takes one of the process's places, and nobody has
looked at its key: grpcio calls a handler when the message is complete, and waits for it for ever.

Reading the message ourselves costs a tenth of a call. So that is done only while many wait, which
they do if somebody holds messages back. Then a message has some seconds, and whoever is in need of
a place gets that of the oldest call, as in the web server.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import grpc

LONGEST_SECONDS = 10.0
LATE = "The message took too long to arrive, or others needed the place."
MISSING = "The call has no message."


class MessageWaits:
    """The calls of this process. Not more than ``untimed`` wait without a time limit, and not more
    than ``timed`` with one."""

    def __init__(self, *, untimed: int, timed: int) -> None:
        self._most_untimed, self._most_timed = untimed, timed
        self._untimed: set[asyncio.Task[Any]] = set()
        self._timers: dict[asyncio.Timeout, None] = {}
        """The oldest comes first."""

    @property
    def is_busy(self) -> bool:
        """Whether a handler has to read its message itself (:meth:`timed`)."""
        return len(self._untimed) >= self._most_untimed

    def begin(self) -> None:
        """The head of this task's call is here. Its handler will run in the same task."""
        task = asyncio.current_task()
        assert task is not None
        self._untimed.add(task)
        task.add_done_callback(self._untimed.discard)

    def has_arrived(self) -> None:
        """The message of this task's call is here."""
        task = asyncio.current_task()
        assert task is not None
        self._untimed.discard(task)

    def timed(self, handler: Any) -> Any:
        """The handler as one that reads its message itself. One of a stream of messages does."""
        if handler.request_streaming:
            return handler
        serializers = (handler.request_deserializer, handler.response_serializer)
        if handler.response_streaming:
            stream = self._timed_stream(handler.unary_stream)
            return grpc.stream_stream_rpc_method_handler(stream, *serializers)

        async def serve(messages: AsyncIterator[Any], call: Any) -> Any:
            return await handler.unary_unary(await self._read(messages, call), call)

        return grpc.stream_unary_rpc_method_handler(serve, *serializers)

    def _timed_stream(self, behavior: Any) -> Any:
        if inspect.isasyncgenfunction(behavior):

            async def serve(messages: AsyncIterator[Any], call: Any) -> AsyncIterator[Any]:
                async for answer in behavior(await self._read(messages, call), call):
                    yield answer

            return serve

        async def write(messages: AsyncIterator[Any], call: Any) -> None:
            await behavior(await self._read(messages, call), call)

        return write

    async def _read(self, messages: AsyncIterator[Any], call: Any) -> Any:
        """The call's message; ends the call if it does not come."""
        self._make_room()
        try:
            async with asyncio.timeout(LONGEST_SECONDS) as timer:
                self._timers[timer] = None
                try:
                    async for message in messages:
                        return message
                finally:
                    self._timers.pop(timer, None)
        except TimeoutError:
            await call.abort(grpc.StatusCode.DEADLINE_EXCEEDED, LATE)
        await call.abort(grpc.StatusCode.INVALID_ARGUMENT, MISSING)
        raise AssertionError("abort() raises.")

    def _make_room(self) -> None:
        if len(self._timers) >= self._most_timed:
            oldest = next(iter(self._timers))
            del self._timers[oldest]
            if not oldest.expired():
                oldest.reschedule(asyncio.get_running_loop().time())
