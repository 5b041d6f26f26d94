"""The bytes of a request.

They are written here and not by h11, whose checks of some ten headers cost a third of a delivery's
time. h11 reads the response, and for that it only has to know that a request went out
(``STAND_IN``).
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import h11

from delivery.sender.messages import SendFailed, SendFault
from delivery.sender.targets import RequestLine

AGENT = "Tollgate/1"
OWN_HEADERS = frozenset(
    {
        *("host", "content-length", "user-agent", "accept-encoding", "connection", "expect"),
        *("keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("proxy-authorization", "proxy-connection", "proxy-authenticate"),
    }
)
"""Headers that a job must not contain: they are ours, or of the connection."""
STAND_IN = h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")])

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of RFC 9110."""
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
"""Printable ASCII, without spaces at its ends."""
_TARGET = re.compile(r"/[!-~]*")
_HOST = re.compile(r"[0-9A-Za-z.\-_:\[\]]+")


def write_request(line: RequestLine, *, headers: Mapping[str, str], body: bytes) -> bytes:
    """The whole request. Raises SendFailed for a header that must not be sent."""
    parts = [_head_of(line)]
    for name, value in headers.items():
        if not _may_be_sent(name):
            raise SendFailed(
                SendFault.BAD_JOB, f"The sender does not send a header named {name[:80]!r}."
            )
        if not _VALUE.fullmatch(value):
            raise SendFailed(
                SendFault.BAD_JOB, f"The header {name} has characters that HTTP does not allow."
            )
        parts.append(f"{name}: {value}\r\n")
    parts.append(f"Content-Length: {len(body)}\r\n\r\n")
    return "".join(parts).encode("ascii") + body


def is_header(name: str, value: str) -> bool:
    """Whether a job may contain this header."""
    return _may_be_sent(name) and _VALUE.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _head_of(line: RequestLine) -> str:
    if not (_TARGET.fullmatch(line.path) and _HOST.fullmatch(line.authority)):
        raise SendFailed(SendFault.BAD_JOB, "The URL has characters that HTTP does not allow.")
    return (
        f"POST {line.path} HTTP/1.1\r\nHost: {line.authority}\r\nUser-Agent: {AGENT}\r\n"
        "Accept-Encoding: identity\r\nConnection: keep-alive\r\n"
    )


@lru_cache(maxsize=1024)
def _may_be_sent(name: str) -> bool:
    return name.lower() not in OWN_HEADERS and _NAME.fullmatch(name) is not None
