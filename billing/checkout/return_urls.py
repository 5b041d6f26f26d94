"""Check the addresses that a buyer may return to: only the project's own origins."""

from urllib.parse import urlsplit

from billing.errors import RedirectRefused
from projects.models import Project

MAX_URL_LENGTH = 2048
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"https": 443, "http": 80}


def check(*, project: Project, url: str, field: str) -> None:
    """Raise RedirectRefused unless the address is https on one of the project's origins.

    A test project may also use http on localhost.
    """
    origin = _parse_origin(url)
    if origin is None:
        raise RedirectRefused("Send an absolute address without a user name.", field=field)
    scheme, host, _ = origin
    if scheme != "https" and (project.livemode or host not in LOCAL_HOSTS):
        raise RedirectRefused("Use https. Only localhost may use http, in test mode.", field=field)
    if origin not in {_parse_origin(allowed) for allowed in project.return_origins}:
        raise RedirectRefused("Add its origin to the project's return_origins first.", field=field)


def _parse_origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None for an address that browsers might read in two ways."""
    if (
        len(url) > MAX_URL_LENGTH
        or not url.isprintable()
        or any(character in url for character in ' \\<>"`')
    ):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme]
