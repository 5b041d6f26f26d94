"""The WSGI environment (PEP 3333) of a request from granian (RSGI)."""

import sys
from typing import Any

Environ = dict[str, Any]
Scope = Any
"""granian's ``RSGIHTTPScope``."""

_WITHOUT_PREFIX = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_NAMES: dict[str, str] = {}
"""Environment names by header name; a few hundred at most are cached."""
_MOST_NAMES = 500
_LEFT_OUT = "tollgate.left_out"


def environ_of(scope: Scope) -> Environ:
    """The environment without the body, which the caller sets as ``wsgi.input``."""
    server, _, port = scope.server.rpartition(":")
    client, _, _ = scope.client.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path_of(scope.path),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": client.strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    _add_headers(environ, scope.headers)
    environ.setdefault(
        "HTTP_HOST", ""
    )  # a request without Host is refused; SERVER_NAME must not replace it
    return environ


def path_of(path: str) -> str:
    """The path as WSGI requires it: one character per byte.

    granian replaces invalid UTF-8 by U+FFFD. That becomes an invalid byte again, so that no route
    matches such a path.
    """
    if path.isascii():
        return path
    return path.replace("\ufffd", "\udcff").encode("utf-8", "surrogateescape").decode("latin-1")


def _add_headers(environ: Environ, headers: Any) -> None:
    """Add the headers. Repeated headers are joined; a non-ASCII value becomes empty.

    Names with an underscore are left out: they would be confused with the hyphenated name, which a
    proxy in front may have set or removed.
    """
    for header, value in headers.items():
        name = _name(header)
        if name in environ:
            environ[name] += ("; " if header == "cookie" else ",") + value
        else:
            environ[name] = value
    for header in headers.keys():  # noqa: SIM118  # the headers object is not a mapping
        environ.setdefault(_name(header), "")
    environ.pop(_LEFT_OUT, None)


def _name(header: str) -> str:
    if "_" in header:
        return _LEFT_OUT
    name = _NAMES.get(header)
    if name is None:
        name = _WITHOUT_PREFIX.get(header) or "HTTP_" + header.upper().replace("-", "_")
        if len(_NAMES) < _MOST_NAMES:
            _NAMES[header] = name
    return name


def content_length(environ: Environ) -> int | None:
    """Length of the body; None if it comes in chunks."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    return int(environ.get("CONTENT_LENGTH") or 0)
