"""The RSGI application: whole requests to the threads, copied answers from the event loop."""

import asyncio
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import structlog
from django.http import HttpResponse
from rest_framework.exceptions import APIException

from common import context
from common.api.parsers import BodyTooLarge, BodyTooSlow
from common.api.problems import plain
from config.fast_path import CHECK, copied_check
from config.request_counter import request_counter
from config.server import callers
from config.server.bodies import BodyIncomplete, BodyQueue, BodyTimeout, BodyTooLong
from config.server.connections import Connections
from config.server.environ import Environ, Scope, environ_of
from config.server.files import allow_many_files
from config.server.limits import Limits
from config.server.threads import Threads

log = structlog.get_logger(__name__)

Protocol = Any
"""granian's ``RSGIHTTPProtocol``."""
WSGI = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Application:
    """Serves a WSGI application: a request reaches it, in a thread, once its body is complete."""

    def __init__(self, wsgi: WSGI, limits: Limits | None = None) -> None:
        self._wsgi = wsgi
        self.limits = limits or Limits()
        self.threads = Threads(self.limits.threads)
        self.bodies_with_key = BodyQueue(self.limits)
        self.bodies_without_key = BodyQueue(self.limits)
        self.busy: set[str] = set()
        self.connections = Connections(self.limits.max_connections, self.busy)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        allow_many_files()
        self.threads.start(loop)
        self.connections.start()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.connections.stop()
        self.threads.stop()

    async def __rsgi__(self, scope: Scope, protocol: Protocol) -> None:
        if scope.method == "GET" and scope.path == CHECK:
            copied = copied_check(_question_of(scope))
            if copied is not None:
                protocol.response_bytes(*copied)
                return
        client: str = scope.client
        self.busy.add(client)
        try:
            await self._serve(environ_of(scope), protocol)
        finally:
            self.busy.discard(client)

    async def _serve(self, environ: Environ, protocol: Protocol) -> None:
        try:
            body = await self._body(environ, protocol)
        except BodyTimeout:
            _refuse(environ, protocol, BodyTooSlow())
        except BodyTooLong:
            _refuse(environ, protocol, BodyTooLarge())
        except BodyIncomplete:
            protocol.response_empty(400, [])  # nobody is there to read it
        else:
            environ["wsgi.input"] = BytesIO(body)
            await self.threads.run(lambda: _answer(self._wsgi, environ, protocol))

    async def _body(self, environ: Environ, protocol: Protocol) -> bytes:
        """The body, when it is to be read; the application says why it was not.

        It is not read when its head says that it is too long, and when nobody knows the caller.
        """
        length = _announced(environ)
        if length == 0 or (length or 0) > self.limits.max_body_bytes:
            return b""
        standing = callers.remembered(environ)
        if standing is callers.CallerStatus.UNKNOWN:
            standing = await self.threads.run(lambda: callers.look_up(environ))
        if standing is callers.CallerStatus.REFUSED:
            environ["CONTENT_LENGTH"] = "0"
            return b""
        has_key = standing is callers.CallerStatus.KNOWN
        queue = self.bodies_with_key if has_key else self.bodies_without_key
        body = await queue.receive(protocol, length=length)
        environ["CONTENT_LENGTH"] = str(len(body))
        return body


def _question_of(scope: Scope) -> Environ:
    """As much of the environment as a check needs."""
    headers = scope.headers
    environ = {
        "QUERY_STRING": scope.query_string,
        "HTTP_HOST": headers.get("host", ""),
        "HTTP_AUTHORIZATION": headers.get("authorization", ""),
        "HTTP_X_REQUEST_ID": headers.get("x-request-id", ""),
    }
    if "idempotency-key" in headers:
        environ["HTTP_IDEMPOTENCY_KEY"] = ""
    return environ


def _announced(environ: Environ) -> int | None:
    """The length of the body; None when it comes in chunks."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    return int(environ.get("CONTENT_LENGTH") or 0)


def _answer(wsgi: WSGI, environ: Environ, protocol: Protocol) -> None:
    """Carry the request out and send the answer; in a thread."""
    started: list[Any] = [500, []]

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        started[:] = int(status[:3]), headers

    try:
        parts = wsgi(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            getattr(parts, "close", bool)()
    except Exception:
        log.exception("request_crashed", path=environ["PATH_INFO"])
        protocol.response_empty(500, [])
    else:
        protocol.response_bytes(*started, body)


def _refuse(environ: Environ, protocol: Protocol, refusal: APIException) -> None:
    """Answer with a problem document; the server closes a connection whose body was not read."""
    begun = time.perf_counter()
    request_id = context.begin(environ.get("HTTP_X_REQUEST_ID", ""))
    response: HttpResponse = plain(refusal)
    headers = [*response.items(), ("X-Request-ID", request_id)]
    protocol.response_bytes(response.status_code, headers, response.content)
    request_counter.count_answer(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        status=response.status_code,
        started=begun,
    )
