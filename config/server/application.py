"""The RSGI application: threads for complete requests, cached answers from the event loop."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from io import BytesIO
from operator import attrgetter
from typing import Any

import structlog
from django.db import DatabaseError, connections
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.exceptions import APIException

from common import context, spans
from common.api.parsers import BodyTooLarge, BodyTooSlow
from common.api.problems import plain
from common.process_metrics import shipper
from common.request_metrics import UNMATCHED
from common.request_threads import Threads
from config.fast_path import CONSUME, answer_cached_check, answer_delivery, answer_use
from config.request_counter import CHECK, request_counter
from config.server.admission import Admission, Gate, RefusedByLimit
from config.server.bodies import BodyIncomplete, BodyQueue, BodyTimeout, BodyTooLong
from config.server.callers import CallerStatus
from config.server.connections import Connections
from config.server.environ import Environ, Scope, content_length, environ_of
from config.server.files import allow_many_files
from config.server.limits import Limits
from config.server.loop_execution import LoopExecution
from config.server.request_batches import RequestBatches
from delivery.feed.waiting import ENVIRON_KEY, POLL_HEADER
from delivery.feed.waiting_room import ReadPage, WaitingRoom
from entitlements.consumption.fast_path import consume_together
from projects.keys.api.authentication import find_caller
from projects.keys.scopes import KeyScope
from projects.limits.limiter import limiter
from webhooks.fast_path import STATEMENT, parameters_of, take_in_by_loop, take_in_together

log = structlog.get_logger(__name__)

Protocol = Any
"""granian's ``RSGIHTTPProtocol``."""
FEED = "/api/v1/events"
WSGI = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Application:
    """Serves a WSGI application; each request gets a thread once its body is complete."""

    def __init__(self, wsgi: WSGI, limits: Limits | None = None) -> None:
        self._wsgi = wsgi
        self.limits = limits or Limits()
        self.threads = Threads(self.limits.threads)
        self.bodies_with_key = BodyQueue(self.limits)
        self.bodies_without_key = BodyQueue(self.limits)
        self.gate = Gate(self.threads, limiter)
        self.loop_execution = LoopExecution(
            self.threads, STATEMENT, take_in_by_loop, parameters=parameters_of, lane="deliveries"
        )
        self.deliveries = RequestBatches(
            self.threads,
            take_in_together,
            owner=attrgetter("endpoint.pk"),
            lane="deliveries",
            by_loop=self.loop_execution,
        )
        self.uses = RequestBatches(
            self.threads, consume_together, owner=attrgetter("project_id"), lane="consumption"
        )
        self.waiting = WaitingRoom(self.limits, self.threads)
        self.busy: set[str] = set()
        self.held: set[str] = set()
        self.connections = Connections(self.limits.max_connections, self.busy, self.held)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        allow_many_files()
        shipper.start("web")
        self.threads.start(loop)
        self.connections.start()
        self.waiting.start(loop)
        self.gate.start(loop)
        loop.add_signal_handler(signal.SIGTERM, self._stop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waiting.close()
        self.gate.stop()
        self.connections.stop()
        self.threads.stop()
        shipper.stop()
        spans.flush()

    def _stop(self) -> None:
        """Let waiting readers and refused callers go; the server then ends when no request is left.
        SIGINT means the same to it as SIGTERM, whose handler this one replaces."""
        self.waiting.close()
        self.gate.let_go()
        signal.raise_signal(signal.SIGINT)

    async def __rsgi__(self, scope: Scope, protocol: Protocol) -> None:
        if scope.method == "GET" and scope.path == CHECK:
            cached_answer = answer_cached_check(_check_environ_of(scope), self.gate.count_check)
            if cached_answer is not None:
                protocol.response_bytes(*cached_answer)
                return
        client: str = scope.client
        self.busy.add(client)
        try:
            await self._serve(environ_of(scope), protocol, client)
        finally:
            self.busy.discard(client)

    async def _serve(self, environ: Environ, protocol: Protocol, client: str) -> None:
        try:
            admission = await self.gate.admit(environ)
            body = await self._body(environ, protocol, admission)
        except RefusedByLimit as refusal:
            await self._hold(refusal, client)
            _answer(environ, protocol, refusal.answer)
        except BodyTimeout:
            _refuse(environ, protocol, BodyTooSlow())
        except BodyTooLong:
            _refuse(environ, protocol, BodyTooLarge())
        except BodyIncomplete:
            protocol.response_empty(400, [])  # the caller has hung up
        else:
            environ["wsgi.input"] = BytesIO(body)
            if environ["PATH_INFO"] == FEED and "wait=" in environ["QUERY_STRING"]:
                await self._serve_waiting(environ, protocol, admission)
            else:
                status = await self._respond(environ, body, protocol, admission)
                self.gate.finish(admission, environ["PATH_INFO"], status)

    async def _hold(self, refusal: RefusedByLimit, client: str) -> None:
        """Wait before a refusal is answered. Meanwhile its connection counts as idle, and may be
        closed if there are too many."""
        self.busy.discard(client)
        self.held.add(client)
        try:
            await self.gate.hold(refusal)
        finally:
            self.held.discard(client)

    async def _respond(
        self, environ: Environ, body: bytes, protocol: Protocol, admission: Admission
    ) -> int:
        """Answer a request; return the status."""
        answer = None
        if admission.caller.status is CallerStatus.SIGNED:
            answer = await answer_delivery(environ, body, self.deliveries.answer)
        elif environ["PATH_INFO"] == CONSUME and environ["REQUEST_METHOD"] == "POST":
            answer = await answer_use(environ, self.uses.answer)
        if answer is not None:
            headers = [*answer.headers, *admission.headers]
            protocol.response_bytes(answer.status, headers, answer.body)
            return answer.status
        respond = partial(_respond, self._wsgi, environ, protocol, admission)
        status: int = await self.threads.run(respond, lane=admission.lane)
        return status

    async def _serve_waiting(
        self, environ: Environ, protocol: Protocol, admission: Admission
    ) -> None:
        """Answer once the page has events, or the reader has waited for as long as it may."""
        loop = asyncio.get_running_loop()
        lane = admission.lane
        page = await self._read_page(environ, lane)
        request = page.request
        deadline = loop.time() + (request.seconds if request else 0)
        while page.request and request and loop.time() < deadline:
            request = replace(request, position=page.request.position)
            if not self.waiting.has_place(request):
                break
            if not await self.waiting.wait(request, protocol, until=deadline):
                return
            page = await self._read_shared_page(environ, request.project_id, lane)
        headers = [*page.headers, *admission.headers]
        if loop.time() >= deadline:
            headers = [each for each in headers if each[0] != POLL_HEADER]
        protocol.response_bytes(page.status, headers, page.body)

    async def _read_page(self, environ: Environ, lane: str) -> ReadPage:
        attempt = dict(environ)
        call = partial(_call, self._wsgi, attempt)
        status, headers, body = await self.threads.run(call, lane=lane)
        return ReadPage(status, headers, body, attempt.get(ENVIRON_KEY))

    async def _read_shared_page(self, environ: Environ, project_id: str, lane: str) -> ReadPage:
        """The page that another reader of the project has read for the same query just now, if
        this reader's key still allows it."""
        query = environ["QUERY_STRING"]
        may_still_read = partial(_may_still_read, environ, project_id)
        if not await self.threads.run(may_still_read, lane=lane):
            return await self._read_page(environ, lane)
        page = await self.waiting.share(project_id, query, partial(self._read_page, environ, lane))
        request_id = context.choose(environ.get("HTTP_X_REQUEST_ID", ""))
        headers = [each for each in page.headers if each[0] != "X-Request-ID"]
        return replace(page, headers=[*headers, ("X-Request-ID", request_id)])

    async def _body(self, environ: Environ, protocol: Protocol, admission: Admission) -> bytes:
        """The body; empty if its headers say that it is too long, or if the caller is refused.

        The application explains in its answer why the body was not read.
        """
        length = content_length(environ)
        if length == 0 or (length or 0) > self.limits.max_body_bytes:
            return b""
        if admission.caller.is_refused:
            environ["CONTENT_LENGTH"] = "0"
            return b""
        has_key = admission.caller.status is CallerStatus.KNOWN
        queue = self.bodies_with_key if has_key else self.bodies_without_key
        body = await queue.receive(protocol, length=length)
        environ["CONTENT_LENGTH"] = str(len(body))
        return body


def _may_still_read(environ: Environ, project_id: str) -> bool:
    """Whether the key of a reader who has waited is still one of the project's with the scope."""
    try:
        header = environ.get("HTTP_AUTHORIZATION", "")
        caller = find_caller(header, scope=KeyScope.EVENTS_READ, at=timezone.now())
    except DatabaseError:
        return False  # the view answers what that means
    finally:
        connections.close_all()
    return caller is not None and caller.project.pk == project_id


def _check_environ_of(scope: Scope) -> Environ:
    """The part of the environment that a check needs."""
    headers = scope.headers
    environ = {
        "QUERY_STRING": scope.query_string,
        "HTTP_HOST": headers.get("host", ""),
        "HTTP_AUTHORIZATION": headers.get("authorization", ""),
        "HTTP_X_REQUEST_ID": headers.get("x-request-id", ""),
    }
    if "idempotency-key" in headers:
        environ["HTTP_IDEMPOTENCY_KEY"] = ""
    if spans.are_exported():
        environ["HTTP_TRACEPARENT"] = headers.get("traceparent", "")
    return environ


def _respond(wsgi: WSGI, environ: Environ, protocol: Protocol, admission: Admission) -> int:
    """Execute the request in this thread, send the answer and return its status."""
    status, headers, body = _call(wsgi, environ)
    protocol.response_bytes(status, [*headers, *admission.headers], body)
    return status


def _call(wsgi: WSGI, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
    """Execute the request in this thread: the status, headers and body of the answer."""
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
        return 500, [], b""
    return started[0], started[1], body


def _refuse(environ: Environ, protocol: Protocol, refusal: APIException) -> None:
    _answer(environ, protocol, partial(plain, refusal))


def _answer(environ: Environ, protocol: Protocol, build: Callable[[], HttpResponse]) -> None:
    """Answer with a problem document; the server closes a connection whose body was not read."""
    started = time.perf_counter()
    request_id = context.begin(
        environ.get("HTTP_X_REQUEST_ID", ""), environ.get("HTTP_TRACEPARENT")
    )
    response = build()
    headers = [*response.items(), ("X-Request-ID", request_id)]
    protocol.response_bytes(response.status_code, headers, response.content)
    request_counter.count_answer(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        route=UNMATCHED,
        status=response.status_code,
        started=started,
    )
