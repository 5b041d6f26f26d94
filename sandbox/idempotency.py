"""Idempotency keys: the first response of a key, errors included, is kept for 24 hours.

Requests that fail validation or find their key in use are not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sandbox.errors import StripeFailure, invalid
from sandbox.faults import key_in_use_error
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.world import World

KIND = "_idempotency"
LIFETIME_SECONDS = 24 * 3600
MAX_KEY_LENGTH = 255


def check_key(key: str) -> None:
    if len(key) > MAX_KEY_LENGTH:
        raise invalid(f"Idempotency keys can be at most {MAX_KEY_LENGTH} characters long.")


@contextmanager
def lock_key(world: World, account: str, key: str) -> Iterator[None]:
    """Lock the key while its request runs. Raises 409 if another request holds it."""
    claim = (account, key)
    with world.lock:
        if claim in world.in_flight:
            raise key_in_use_error()
        world.in_flight.add(claim)
    try:
        yield
    finally:
        with world.lock:
            world.in_flight.discard(claim)


def find_response(tx: Transaction, key: str, *, path: str, params: Params) -> Object | None:
    """Find the saved response. Raises 400 when the key was used for another request."""
    _delete_expired(tx)
    record = tx.get(KIND, key)
    if record is None or _is_expired(tx, record):
        return None
    if record["path"] != path:
        raise _reused_key_error(
            "Keys for idempotent requests can only be used for the same endpoint they were first "
            f"used for ('{path}' vs '{record['path']}'). Try using a key other than '{key}' if "
            "you meant to execute a different request."
        )
    if record["digest"] != _digest(params):
        raise _reused_key_error(
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request."
        )
    return record


def save_response(
    tx: Transaction, key: str, *, path: str, params: Params, status: int, body: str, request_id: str
) -> None:
    """Save a response under its key, in the same transaction as the request's changes."""
    tx.insert(
        {
            "object": KIND,
            "id": key,
            "path": path,
            "digest": _digest(params),
            "status": status,
            "body": body,
            "request_id": request_id,
            "created": tx.now,
        }
    )


def _is_expired(tx: Transaction, record: Object) -> bool:
    return bool(record["created"] <= tx.now - LIFETIME_SECONDS)


def _delete_expired(tx: Transaction) -> None:
    """Delete expired records, oldest first, up to the first that is still valid."""
    for record in tx.iterate_stored(KIND):
        if not _is_expired(tx, record):
            return
        tx.remove(record)


def _digest(params: Params) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def _reused_key_error(message: str) -> StripeFailure:
    return StripeFailure(message, error_type="idempotency_error")
