"""Handlers that need no key: the health service, and reflection.

Their streams take places among the calls of the process, and stay as long as the caller likes:
without a limit of their own whoever reaches the port could take all places.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from rpc.message_waits import MessageWaits

MAX_STREAMS = 100
FULL = "Too many streams of health and reflection are open."
Behavior = Callable[[Any, Any], Any]


class OpenHandlers:
    """Counts the streams of this process."""

    def __init__(self, waits: MessageWaits) -> None:
        self._waits = waits
        self._count = 0

    def limit(self, handler: Any) -> Any:
        """The handler, which refuses a stream too many. Calls with one answer are not limited."""
        serializers = (handler.request_deserializer, handler.response_serializer)
        if handler.request_streaming:
            behavior = self._stream(handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(behavior, *serializers)
        if handler.response_streaming:
            behavior = self._stream(handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(behavior, *serializers)
        return grpc.unary_unary_rpc_method_handler(self._unary(handler.unary_unary), *serializers)

    def _unary(self, behavior: Behavior) -> Behavior:
        async def serve(request: Any, call: Any) -> Any:
            self._waits.has_arrived()
            return await behavior(request, call)

        return serve

    def _stream(self, behavior: Behavior) -> Behavior:
        """Servicers either yield their answers, or write them to the call."""
        if inspect.isasyncgenfunction(behavior):

            async def serve(request: Any, call: Any) -> AsyncIterator[Any]:
                await self._check(call)
                with self._place():
                    async for answer in behavior(request, call):
                        yield answer

            return serve

        async def write(request: Any, call: Any) -> None:
            await self._check(call)
            with self._place():
                await behavior(request, call)

        return write

    async def _check(self, call: Any) -> None:
        self._waits.has_arrived()
        if self._count >= MAX_STREAMS:
            await call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, FULL)

    @contextmanager
    def _place(self) -> Iterator[None]:
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
