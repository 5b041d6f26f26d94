"""Calls with one message and one answer."""

import time
from functools import partial
from typing import Any

import orjson
from google.protobuf.descriptor import MethodDescriptor

from common import context
from common.api.problems import refusal_of
from common.request_threads import Threads
from rpc import call_results, descriptors, messages, requests
from rpc.admission import AdmittedCall
from rpc.call_results import CallResult
from rpc.errors import DeadlineOver
from rpc.requests import CallMetadata
from rpc.routes import RpcRoute


class UnaryMethod:
    """A method that is a route: its handler for the server."""

    def __init__(self, route: RpcRoute, method: MethodDescriptor, threads: Threads) -> None:
        self._route = route
        self._threads = threads
        self._request_class = descriptors.message_class(method.input_type)
        self._answer_class = descriptors.message_class(method.output_type)

    async def handle(self, data: bytes, call: Any, admission: AdmittedCall) -> bytes:
        """Answer an admitted call; ends it with an error if it is refused."""
        execute = partial(self.execute, data, admission.metadata, due_at(call))
        result: CallResult = await self._threads.run(execute, lane=admission.lane)
        return await result.hand_over(call, admission.limits)

    def execute(self, data: bytes, metadata: CallMetadata, due: float | None) -> CallResult:
        """The result of a call whose caller waits until ``due``, in this thread."""
        with context.due_by(due):
            if context.seconds_left() == 0:
                return call_results.refused_here(DeadlineOver(), metadata)
            try:
                return self.answer(data, metadata)
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise  # an error of ours: the interceptor ends the call
                return call_results.refused_here(refusal, metadata)

    def answer(self, data: bytes, metadata: CallMetadata) -> CallResult:
        """Carry the call out in this thread. Raises APIException and DomainError."""
        values = messages.to_values(messages.parse(self._request_class, data))
        answer = requests.send(self._route.request(values), metadata)
        if not answer.is_success:
            return call_results.refused(answer)
        message = self.build(orjson.loads(answer.body))
        return CallResult(message, metadata=answer.metadata)

    def build(self, body: dict[str, Any]) -> bytes:
        """The answer's bytes of a JSON body."""
        message = messages.build(self._answer_class, self._route.shape(body))
        return message.SerializeToString()


def due_at(call: Any) -> float | None:
    """When the caller stops waiting, as :func:`time.monotonic` counts; None without a deadline."""
    remaining: float | None = call.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
