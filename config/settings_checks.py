"""Checks of production's environment variables: a wrong one stops the start and is named (R26)."""

import logging
import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from config.schedule import LANES

SECRET_KEY_CHARACTERS = 50
SECRET_KEY_DISTINCT = 10
"""Fewest different characters in a random key of that length."""
HOST = re.compile(r"\.?[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def secret_key(value: str) -> str:
    """Check that the key cannot be guessed: it signs sessions."""
    is_weak = len(value) < SECRET_KEY_CHARACTERS or len(set(value)) < SECRET_KEY_DISTINCT
    if is_weak or value.startswith("django-insecure-"):
        raise ImproperlyConfigured(
            f"SECRET_KEY needs at least {SECRET_KEY_CHARACTERS} random characters: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
    return value


def allowed_hosts(values: list[str]) -> list[str]:
    """Check host names; ``.example.com`` stands for a domain with all subdomains."""
    for value in values:
        if not HOST.fullmatch(value.lower()):
            raise ImproperlyConfigured(
                f"ALLOWED_HOSTS: {value!r} is not a host name. '*' would accept every host."
            )
    return values


def public_url(value: str, *, hosts: list[str], is_test: bool) -> str:
    """Check the public address: scheme, host and optional port, https.

    With a Stripe test key, http is allowed for this machine.
    """
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"PUBLIC_URL: {value!r} is not an address.") from error
    has_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or has_more:
        raise ImproperlyConfigured("PUBLIC_URL is scheme and host, as https://billing.example.com.")
    if parts.scheme == "http" and not (is_test and host in LOOPBACK):
        raise ImproperlyConfigured("PUBLIC_URL must use https.")
    if not validate_host(f"[{host}]" if ":" in host else host, hosts):
        raise ImproperlyConfigured("PUBLIC_URL: its host must be one of ALLOWED_HOSTS.")
    return value


def log_level(value: str) -> str:
    if value not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured("LOG_LEVEL is DEBUG, INFO, WARNING or ERROR.")
    return value


def redis_url(value: str) -> str:
    if urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ImproperlyConfigured("REDIS_URL is an address such as redis://redis:6379/0.")
    return value


def worker_lanes(values: list[str]) -> frozenset[str]:
    """Check the lanes that a worker polls; all of them if none is named."""
    if unknown := set(values) - LANES:
        raise ImproperlyConfigured(
            f"WORKER_LANES: {', '.join(sorted(unknown))}; the lanes are {', '.join(sorted(LANES))}."
        )
    return frozenset(values) or LANES
