"""Ids of records: from the key that the sender gave, so that a repeated record finds itself.

An id has the shape of every public id. One that follows from a key is 104 bits of BLAKE2b over
project and key; one of a record without a key begins with its milliseconds, so that such records
lie beside each other in an index.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from secrets import randbits

PREFIX = "use"


def of_key(project_id: str, key: str) -> str:
    """The id of the project's record with this key: always the same."""
    digest = _of_project(project_id).copy()
    digest.update(key.encode())
    return f"{PREFIX}_{digest.hexdigest()}"


def of_keys(keys: Iterable[str | None], *, project_id: str, at: datetime) -> list[str]:
    """The ids of these records: by :func:`of_key`, and a fresh one for each without a key."""
    begun, prefix, ids = _of_project(project_id).copy, f"{PREFIX}_", []
    for key in keys:
        if key is None:
            ids.append(fresh(at))
        else:
            digest = begun()
            digest.update(key.encode())
            ids.append(prefix + digest.hexdigest())
    return ids


@lru_cache(maxsize=1024)
def _of_project(project_id: str) -> blake2b:
    """To be copied: half the time goes into beginning."""
    return blake2b(digest_size=13, key=project_id.encode())


def fresh(at: datetime) -> str:
    """An id that nobody else has."""
    return f"{PREFIX}_{int(at.timestamp() * 1000):012x}{randbits(56):014x}"


def fingerprint(
    *, customer_id: str, meter_id: str, value: int | str | None, occurred_at: datetime | None
) -> bytes:
    """What makes two records under one key the same: 16 bytes over what their senders said."""
    moment = "" if occurred_at is None else occurred_at.timestamp()
    said = f"{customer_id}\n{meter_id}\n{moment}\n{value!r}"
    return blake2b(said.encode(), digest_size=16).digest()


def member(value: str) -> bytes:
    """What a ``unique`` meter tells values apart by: 16 bytes."""
    return blake2b(value.encode(), digest_size=16).digest()
