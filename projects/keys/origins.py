"""Origins: the scheme, host and port of the pages that a buyer may be sent back to."""

from urllib.parse import urlsplit

from common.errors import Invalid

FIELD = "return_origins"
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_SHAPE = "Write scheme and host only, such as https://app.example.com."


class OriginRefused(Invalid):
    code, title = "origin-refused", "A buyer cannot be sent back to this origin."


def normalise(text: str, *, livemode: bool) -> str:
    """The origin as browsers write it: ``https://app.example.com``, with a port if it has one.

    Raises OriginRefused for anything but scheme, host and port, and for http; a test project may
    use http on this machine.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise OriginRefused(_SHAPE, field=FIELD) from error
    extra_parts = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not host or extra_parts:
        raise OriginRefused(_SHAPE, field=FIELD)
    host = f"[{host}]" if ":" in host else host
    if parts.scheme != "https" and (parts.scheme != "http" or livemode or host not in _LOCAL):
        raise OriginRefused("Use https; a test project may use http with localhost.", field=FIELD)
    default = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")
