"""``WatchChanges``: the project's events as they happen.

A stream reads the pages of ``GET /events`` one after the other. Between two pages it waits in the
event loop and holds no thread.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson
from google.protobuf.descriptor import MethodDescriptor
from rest_framework.exceptions import APIException

from common.errors import DomainError
from common.request_threads import Threads
from delivery.feed.waiting import ENVIRON_KEY, WaitRequest
from delivery.feed.waiting_room import WaitingRoom
from rpc import call_results, descriptors, messages, requests
from rpc.admission import AdmittedCall
from rpc.conf import RpcSettings
from rpc.errors import StreamEnded, TooManyStreams
from rpc.requests import HttpAnswer
from rpc.routes import RpcRoute

USUAL_TYPES = ["entitlements.changed"]
WAIT_SECONDS = 25
"""After which a waiting stream reads again, and so notices a revoked key."""
RETRY_SECONDS = 5


class NeverGone:
    """A reader of whom the event loop says itself that it has hung up: its task is cancelled."""

    async def client_disconnect(self) -> None:
        """Wait for ever."""
        await asyncio.get_running_loop().create_future()


class StreamPlaces:
    """Streams that are open in this process, by key."""

    def __init__(self, limits: RpcSettings) -> None:
        self._limits = limits
        self._per_key: Counter[str] = Counter()

    @contextmanager
    def place(self, key: str) -> Iterator[None]:
        """Hold a place. Raises TooManyStreams."""
        limits = self._limits
        is_full = self._per_key.total() >= limits.max_waiting
        if is_full or self._per_key[key] >= limits.max_waiting_per_key:
            raise TooManyStreams(
                f"A key may have {limits.max_waiting_per_key} at a time.", retry_after=RETRY_SECONDS
            )
        self._per_key[key] += 1
        try:
            yield
        finally:
            self._per_key[key] -= 1
            if not self._per_key[key]:
                del self._per_key[key]


class WatchMethod:
    """The handler of the stream for the server."""

    def __init__(
        self,
        route: RpcRoute,
        method: MethodDescriptor,
        threads: Threads,
        room: WaitingRoom,
        limits: RpcSettings,
    ) -> None:
        self._route, self._threads, self._room = route, threads, room
        self._places = StreamPlaces(limits)
        self._request_class = descriptors.message_class(method.input_type)
        self._answer_class = descriptors.message_class(method.output_type)

    async def handle(self, data: bytes, call: Any, admission: AdmittedCall) -> AsyncIterator[bytes]:
        """Messages until the caller hangs up, or the call ends with an error."""
        try:
            with self._places.place(admission.metadata.authorization):
                async for message in self._messages(data, admission, call):
                    yield message
        except (APIException, DomainError) as error:
            await call_results.refused_here(error, admission.metadata).abort(call)

    async def _messages(
        self, data: bytes, admission: AdmittedCall, call: Any
    ) -> AsyncIterator[bytes]:
        """Each page that has events, or moves past some. Raises APIException and DomainError."""
        values = messages.to_values(messages.parse(self._request_class, data))
        values.setdefault("types", USUAL_TYPES)
        while True:
            request = self._route.request({**values, "wait": 1})
            send = partial(requests.send, request, admission.metadata)
            answer: HttpAnswer = await self._threads.run(send, lane=admission.lane)
            if not answer.is_success:
                await call_results.refused(answer).abort(call)
            page = orjson.loads(answer.body)
            if page["data"] or page["next"] != values.get("after"):
                yield messages.build(self._answer_class, page).SerializeToString()
            values["after"] = page["next"]
            await self._wait(answer.environ.get(ENVIRON_KEY))

    async def _wait(self, request: WaitRequest | None) -> None:
        """Wait until there may be a newer event. Raises StreamEnded."""
        if request is None:
            return
        if self._room.is_closed:
            raise StreamEnded(retry_after=1)
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        await self._room.wait(request, NeverGone(), until=until)
        if self._room.is_closed:
            raise StreamEnded(retry_after=1)
