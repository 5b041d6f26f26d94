"""The WSGI environment (PEP 3333) of a request that granian hands over by RSGI."""

import sys
from typing import Any

Environ = dict[str, Any]
Scope = Any
"""granian's ``RSGIHTTPScope``."""

_WITHOUT_PREFIX = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_NAMES: dict[str, str] = {}
"""Header names as an environment spells them; a few hundred at most are remembered."""
_MOST_NAMES = 500
_LEFT_OUT = "tollgate.left_out"


def environ_of(scope: Scope) -> Environ:
    """Everything but the body, which is to be put at ``wsgi.input``."""
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
    environ.setdefault("HTTP_HOST", "")  # none is refused: the server's own name is not asked for
    return environ


def path_of(path: str) -> str:
    """The path in the form that WSGI wants: its bytes, one character each.

    granian replaces what is not UTF-8 by U+FFFD. It becomes a byte that is not UTF-8 again, so that
    such a path names nothing.
    """
    if path.isascii():
        return path
    return path.replace("\ufffd", "\udcff").encode("utf-8", "surrogateescape").decode("latin-1")


def _add_headers(environ: Environ, headers: Any) -> None:
    """Repeated headers are joined as their field allows; a value that is not ASCII is empty.

    A name with an underscore is left out: it would pass for the one with a hyphen, which a proxy
    in front has set or removed.
    """
    for header, value in headers.items():
        name = _name(header)
        if name in environ:
            environ[name] += ("; " if header == "cookie" else ",") + value
        else:
            environ[name] = value
    for header in headers.keys():  # noqa: SIM118  # the headers themselves are no mapping
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
