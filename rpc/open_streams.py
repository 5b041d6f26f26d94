"""Streams that need no key: `Watch` of the health service, and reflection.

They take places among the calls of the process like any other, and stay as long as the caller
likes: without a limit of their own whoever reaches the port could take all places.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

MAX_OPEN = 100
FULL = "Too many streams of health and reflection are open."
Behavior = Callable[[Any, Any], Any]


class OpenStreams:
    """Counts those of this process."""

    def __init__(self) -> None:
        self._count = 0

    def limit(self, handler: Any) -> Any:
        """The handler, which refuses a stream too many. Calls with one answer are not limited."""
        if not handler.response_streaming:
            return handler
        serializers = (handler.request_deserializer, handler.response_serializer)
        if handler.request_streaming:
            behavior = self._counted(handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(behavior, *serializers)
        behavior = self._counted(handler.unary_stream)
        return grpc.unary_stream_rpc_method_handler(behavior, *serializers)

    def _counted(self, behavior: Behavior) -> Behavior:
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
        if self._count >= MAX_OPEN:
            await call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, FULL)

    @contextmanager
    def _place(self) -> Iterator[None]:
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
