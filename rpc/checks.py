"""``Check`` from this process's cache, in the event loop, as the web server's fast path does."""

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import orjson
from google.protobuf.descriptor import MethodDescriptor
from rest_framework.exceptions import ParseError

from common import context
from common.request_threads import Threads
from entitlements.decisions.api import fast_path
from rpc import messages
from rpc.admission import RpcGate
from rpc.routes import RpcRoute
from rpc.unary import UnaryMethod

REQUEST_ID = "x-request-id"
PLAIN = frozenset({"user_id", "feature"})
MAX_CACHED = 50_000


class CheckMethod(UnaryMethod):
    """Answers what is cached at once. Everything else takes the ordinary way."""

    def __init__(
        self, route: RpcRoute, method: MethodDescriptor, threads: Threads, gate: RpcGate
    ) -> None:
        super().__init__(route, method, threads)
        self._gate = gate
        self._fair_answers = gate.fair_answers
        self._query_of = lru_cache(MAX_CACHED)(self._parse_query)
        self._message_of = lru_cache(MAX_CACHED)(self._build_of_json)

    async def answer_cached(self, data: bytes, call: Any) -> bytes | None:
        """The answer from the cache, when it is the project's turn; None if it is not there, or if
        the limit is reached."""
        query = self._query_of(data)
        if not query:
            return None
        headers = dict(call.invocation_metadata())
        cached = fast_path.cached_check(
            {"QUERY_STRING": query, "HTTP_AUTHORIZATION": headers.get("authorization", "")}
        )
        limits = None if cached is None else self._gate.count_check(cached.caller)
        if cached is None or limits is None:
            return None
        await self._fair_answers.wait(cached.caller.project.pk)
        request_id = context.choose(headers.get(REQUEST_ID, ""))
        shown = [(name.lower(), value) for name, value in limits]
        call.set_trailing_metadata(((REQUEST_ID, request_id), *shown))
        return self._message_of(cached.body)

    def _parse_query(self, data: bytes) -> str:
        """The query of a plain check; empty for any other message."""
        try:
            values = messages.to_values(messages.parse(self._request_class, data))
        except ParseError:
            return ""
        return urlencode(values) if values.keys() == PLAIN else ""

    def _build_of_json(self, body: bytes) -> bytes:
        return self.build(orjson.loads(body))
