"""The environment, read in one place. A missing or empty value stops the boot and is named."""

import base64
import binascii
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def required(name: str) -> str:
    """The variable's value; an absent or blank one stops the boot."""
    value = str(env.str(name, default="")).strip()
    if not value:
        raise ImproperlyConfigured(f"Set the environment variable {name} (see .env.example).")
    return value


def encryption_keys(value: str) -> dict[str, bytes]:
    """Parse ``ENCRYPTION_KEYS``: ``id:base64-of-32-bytes``, comma separated, newest first."""
    keys: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        key_id, _, body = entry.partition(":")
        try:
            key = base64.b64decode(body, validate=True)
        except binascii.Error:
            key = b""
        if not key_id or len(key) != 32:
            raise ImproperlyConfigured(
                "Set ENCRYPTION_KEYS to id:key pairs, each key 32 bytes in base64 "
                "(see .env.example)."
            )
        keys[key_id] = key
    return keys


def comma_list(name: str) -> list[str]:
    return [part.strip() for part in str(env.str(name, default="")).split(",") if part.strip()]


def database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry: pooled connections, checked before use (``common.postgres``),
    bounded waits.

    What is prepared (``common.prepared_statements``) is planned once for each connection, and not for each
    length of the lists that it is given: planning costs more than running.
    """
    parsed: dict[str, Any] = environ.Env.db_url_config(url)
    return {
        **parsed,
        "ENGINE": "common.postgres",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": 12, "timeout": 2},
            "connect_timeout": 3,
            "options": (
                "-c statement_timeout=15000 -c lock_timeout=5000 "
                "-c idle_in_transaction_session_timeout=15000 "
                "-c plan_cache_mode=force_generic_plan"
            ),
        },
    }
