"""The one door of all our methods: keys, projects and limits.

A call whose key is valid and has the method's scope goes on. Any other one is answered by the view
of its route with an empty request: only the view decides what is wrong with a key. An error of ours
leaves as INTERNAL, and never with its text.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
import grpc.aio

from common.request_threads import Threads
from rpc import call_results, requests
from rpc.admission import AdmittedCall, LimitReached, RpcGate
from rpc.message_waits import MessageWaits
from rpc.methods import ROUTES
from rpc.open_handlers import OpenHandlers
from rpc.routes import RpcRoute

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
AtOnce = Callable[[bytes, Any], Awaitable[bytes | None]]


class KeyInterceptor(grpc.aio.ServerInterceptor):
    """Hands our methods' handlers an :class:`AdmittedCall` beside message and call.

    ``at_once``: functions that may answer without a thread, by the name of the method.
    """

    def __init__(
        self, threads: Threads, gate: RpcGate, waits: MessageWaits, at_once: Mapping[str, AtOnce]
    ) -> None:
        self._threads = threads
        self._gate = gate
        self._waits = waits
        self._at_once = at_once
        self._open = OpenHandlers(waits)
        self._handlers: dict[str, tuple[Any, Any]] = {}
        """By the method's name: the usual handler, and the one that reads its message itself."""

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Any:
        if details.method not in self._handlers:
            handler: Any = await continuation(details)
            if handler is None:
                return None  # UNIMPLEMENTED
            route = ROUTES.get(details.method)
            ours = self._guard(details.method, handler, route) if route else None
            usual = ours or self._open.limit(handler)
            self._handlers[details.method] = usual, self._waits.timed(usual)
        usual, timed = self._handlers[details.method]
        if usual is timed or self._waits.is_busy:
            return timed
        self._waits.begin()
        return usual

    def _guard(self, name: str, handler: Any, route: RpcRoute) -> Any:
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(handler.unary_stream, route))
        unary = self._unary(handler.unary_unary, route)
        if at_once := self._at_once.get(name):
            unary = _first(at_once, unary)
        return grpc.unary_unary_rpc_method_handler(self._arrived(unary))

    def _arrived(self, handle: Any) -> Any:
        async def serve(data: bytes, call: Any) -> bytes:
            self._waits.has_arrived()
            answer: bytes = await handle(data, call)
            return answer

        return serve

    def _unary(self, handle: Any, route: RpcRoute) -> Any:
        async def serve(data: bytes, call: Any) -> bytes:
            async with _no_crash(call):
                admission = await self._admit(route, call)
                answer: bytes = await handle(data, call, admission)
            return answer

        return serve

    def _stream(self, handle: Any, route: RpcRoute) -> Any:
        async def serve(data: bytes, call: Any) -> AsyncIterator[bytes]:
            self._waits.has_arrived()
            async with _no_crash(call):
                admission = await self._admit(route, call)
                async for message in handle(data, call, admission):
                    yield message

        return serve

    async def _admit(self, route: RpcRoute, call: Any) -> AdmittedCall:
        """The admission of the call; ends it with an error if it is refused."""
        metadata = requests.read_metadata(call.invocation_metadata(), call.peer())
        try:
            admission = await self._gate.admit(route, metadata)
        except LimitReached as refusal:
            await self._gate.hold(refusal)
            await call_results.refused_here(refusal.refusal(), metadata).abort(call)
        if admission.is_refused:
            await self._refuse(route, admission, call)
        return admission

    async def _refuse(self, route: RpcRoute, admission: AdmittedCall, call: Any) -> None:
        send = partial(requests.send, route.empty_request(), admission.metadata)
        answer = await self._threads.run(send, lane=admission.lane)
        if answer.status == 401 and admission.metadata.authorization:
            self._gate.count_failure(admission.metadata)
        await call_results.refused(answer).abort(call)


@asynccontextmanager
async def _no_crash(call: Any) -> AsyncIterator[None]:
    """End the call as INTERNAL if what runs inside raises anything but the end of the call. grpcio
    would send the error's class and text, such as a statement in SQL."""
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except Exception as error:  # noqa: BLE001  # it is logged
        await _end_crashed(error, call)


async def _end_crashed(error: Exception, call: Any) -> None:
    metadata = requests.read_metadata(call.invocation_metadata(), call.peer())
    await call_results.crashed(error, metadata).abort(call)


def _first(at_once: AtOnce, otherwise: Any) -> Any:
    async def serve(data: bytes, call: Any) -> bytes:
        answer = None
        try:
            answer = await at_once(data, call)
        except Exception as error:  # noqa: BLE001  # it is logged
            await _end_crashed(error, call)
        if answer is None:
            answer = await otherwise(data, call)
        return answer

    return serve
