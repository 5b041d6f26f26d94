"""Carry out a call as a request of the HTTP API, in this process.

The application is the one that the web server serves, with its fast path, middleware and views. It
gets the call's metadata as headers.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
import structlog
from django.conf import settings
from django.core.servers.basehttp import get_internal_wsgi_application
from django.db import connections

log = structlog.get_logger(__name__)

Environ = dict[str, Any]
HEADERS = frozenset(
    {
        "authorization",
        "idempotency-key",
        "traceparent",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
    }
)
"""Metadata that becomes a header of the request."""
RETURNED = frozenset({"idempotent-replayed", "ratelimit", "ratelimit-policy", "x-request-id"})
"""Headers of the answer that become metadata."""
RETRY_AFTER = "retry-after"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class CallMetadata:
    """What a call has beside its message: its headers, and its peer's address."""

    headers: Mapping[str, str]
    address: str

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request below ``/api/v1``. ``body`` are the JSON values of a POST or PATCH."""

    verb: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer with its headers in lower case; ``environ`` is what the view has left there."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    environ: Environ

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> int | None:
        seconds = self.headers.get(RETRY_AFTER, "")
        return int(seconds) if seconds.isdecimal() else None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What the caller gets as metadata."""
        return tuple((name, self.headers[name]) for name in RETURNED if name in self.headers)


def read_metadata(metadata: Iterable[tuple[str, str | bytes]], peer: str) -> CallMetadata:
    """The metadata that matters; repeated values are joined as in HTTP."""
    headers: dict[str, str] = {}
    for name, value in metadata:
        if name in HEADERS and isinstance(value, str):
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return CallMetadata(headers, address_of(peer))


def address_of(peer: str) -> str:
    """The IP address in ``ipv4:127.0.0.1:50312`` or ``ipv6:%5B::1%5D:50312``."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    host = rest.rpartition(":")[0]
    return host.replace("%5B", "").replace("%5D", "").strip("[]")


def send(request: HttpRequest, call: CallMetadata) -> HttpAnswer:
    """Execute the request in this thread, which keeps no connection to the database. A crash is an
    answer, too: 500."""
    environ = environ_of(request, call)
    started: list[Any] = [500, {}]

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        started[:] = int(status[:3]), {name.lower(): value for name, value in headers}

    try:
        parts = _application()(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            getattr(parts, "close", bool)()
    except Exception:
        log.exception("rpc_request_crashed", path=request.path)
        return HttpAnswer(500, {}, b"", environ)
    finally:
        connections.close_all()
    return HttpAnswer(started[0], started[1], body, environ)


def environ_of(request: HttpRequest, call: CallMetadata) -> Environ:
    """The WSGI environment (PEP 3333) of a request to our own address."""
    own = urlsplit(settings.PUBLIC_URL)
    body = b"" if request.body is None else orjson.dumps(request.body)
    environ: Environ = {
        "REQUEST_METHOD": request.verb,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "QUERY_STRING": urlencode(request.query),
        "CONTENT_TYPE": JSON,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": own.hostname or "localhost",
        "SERVER_PORT": str(own.port or (443 if own.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/2",
        "REMOTE_ADDR": call.address,
        "HTTP_HOST": own.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": own.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in call.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


@cache
def _application() -> Any:
    """The application that WSGI_APPLICATION names, which the web server serves, too."""
    return get_internal_wsgi_application()
