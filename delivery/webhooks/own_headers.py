"""The headers that a tenant wants on its deliveries, such as a token of its gateway.

They are stored encrypted, sent as they are, and shown without their values.
"""

from collections.abc import Mapping

import orjson

from common.errors import Invalid
from delivery.models import WebhookEndpoint
from delivery.sender import request

MAX_HEADERS = 20
MAX_BYTES = 4096
"""Of all names and values together."""
MASK = "•••"
_RESERVED_PREFIXES = ("webhook-", "content-", "proxy-", "sec-", "tollgate-")


def check(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with lower-case names. Raises Invalid, which names the wrong one."""
    checked = {name.lower(): value for name, value in headers.items()}
    if len(checked) < len(headers):
        raise Invalid("Two headers differ only in case.", field="headers")
    if len(checked) > MAX_HEADERS or sum(map(_size, checked.items())) > MAX_BYTES:
        raise Invalid(
            f"At most {MAX_HEADERS} headers, of {MAX_BYTES} bytes together.", field="headers"
        )
    for name, value in checked.items():
        if name.startswith(_RESERVED_PREFIXES) or not request.is_header(name, value):
            raise Invalid(
                f"{name[:64]!r} is a header of ours, or it has characters that HTTP does not "
                "allow.",
                field="headers",
            )
    return checked


def seal(row: WebhookEndpoint, headers: Mapping[str, str]) -> None:
    """Put checked headers into the row, the values encrypted."""
    row.header_names = sorted(headers)
    row.seal_headers(orjson.dumps(dict(headers)).decode() if headers else "")


def open_all(row: WebhookEndpoint) -> dict[str, str]:
    """The headers with their values. Raises CannotDecrypt."""
    text = row.open_headers()
    headers: dict[str, str] = orjson.loads(text) if text else {}
    return headers


def masked(row: WebhookEndpoint) -> dict[str, str]:
    """The names of the headers, each with a mask for its value."""
    return dict.fromkeys(row.header_names, MASK)


def _size(header: tuple[str, str]) -> int:
    name, value = header
    return len(name) + len(value.encode())
