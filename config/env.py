"""Environment variables, read in one place. A missing required value stops the start and is
named."""

import base64
import binascii
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def required(name: str) -> str:
    """The value of the variable. Raises ImproperlyConfigured if it is missing or blank."""
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


SESSION_SETTINGS = {
    "statement_timeout": "15000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "15000",
    "plan_cache_mode": "force_generic_plan",
    # Our queries are short: starting a parallel worker takes longer than they do.
    "max_parallel_workers_per_gather": "0",
}
"""PostgreSQL's settings of each of our connections. Statements of ``common.prepared_statements``
are planned once per connection and not once per length of their lists, because planning costs more
than running."""
TRANSACTION = "transaction"
"""The value of DATABASE_POOLER for a pooler that lends a session for one transaction only."""


def database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry: pooled connections, checked before use (``common.postgres``), with
    limited waits. Behind a transaction pooler nothing belongs to a session: the pooler makes the
    settings (deploy/pgbouncer/pgbouncer.ini), and no statement or cursor stays at the server."""
    parsed: dict[str, Any] = environ.Env.db_url_config(url)
    pooler = str(env.str("DATABASE_POOLER", default="")).strip()
    if pooler not in ("", TRANSACTION):
        raise ImproperlyConfigured(f"DATABASE_POOLER is {TRANSACTION} or empty (docs/scale.md).")
    options = {
        "options": " ".join(f"-c {name}={SESSION_SETTINGS[name]}" for name in SESSION_SETTINGS)
    }
    return {
        **parsed,
        "ENGINE": "common.postgres",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": bool(pooler),
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": 12, "timeout": 2},
            "connect_timeout": 3,
            **({} if pooler else options),
        },
    }
