"""Ids of records, derived from the sender's key, so that a repeated record has the same id.

An id from a key is 104 bits of BLAKE2b over project and key. An id without a key begins with its
milliseconds, so that such records lie side by side in an index.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from secrets import randbits

PREFIX = "use"


def of_key(project_id: str, key: str) -> str:
    """The id of the project's record with this key."""
    digest = _of_project(project_id).copy()
    digest.update(key.encode())
    return f"{PREFIX}_{digest.hexdigest()}"


def of_keys(keys: Iterable[str | None], *, project_id: str, at: datetime) -> list[str]:
    """The ids of these records: :func:`of_key`, or a new id without a key."""
    new_digest, prefix, ids = _of_project(project_id).copy, f"{PREFIX}_", []
    for key in keys:
        if key is None:
            ids.append(new_id(at))
        else:
            digest = new_digest()
            digest.update(key.encode())
            ids.append(prefix + digest.hexdigest())
    return ids


@lru_cache(maxsize=1024)
def _of_project(project_id: str) -> blake2b:
    """The digest to copy: creating one takes half of the time."""
    return blake2b(digest_size=13, key=project_id.encode())


def new_id(at: datetime) -> str:
    """A new random id."""
    return f"{PREFIX}_{int(at.timestamp() * 1000):012x}{randbits(56):014x}"


def fingerprint(
    *, customer_id: str, meter_id: str, value: int | str | None, occurred_at: datetime | None
) -> bytes:
    """16 bytes that are equal for equal uses under one key."""
    moment = "" if occurred_at is None else occurred_at.timestamp()
    text = f"{customer_id}\n{meter_id}\n{moment}\n{value!r}"
    return blake2b(text.encode(), digest_size=16).digest()


def member(value: str) -> bytes:
    """16 bytes by which a ``unique`` meter distinguishes values."""
    return blake2b(value.encode(), digest_size=16).digest()
