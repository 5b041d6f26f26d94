"""Serialise one cached decision and sign it.

The signature is a keyed hash over key, feature and content. Anything else in Redis (another key's
entry, an older format, altered bytes) fails the check and counts as a miss.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest

from django.conf import settings

SCHEMA = b"entitlements/3"
"""Changed with the format of an entry: entries of an older format become misses."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SEAL = 16


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A decision computed at ``since`` and certain until ``until``.

    ``version`` is the customer's, ``rules`` the project's. ``body`` is the JSON response when
    ``is_whole``, otherwise a static decision (``cache.partial``) that still needs its amounts.
    """

    version: int
    rules: int
    since: datetime
    until: datetime
    is_whole: bool
    body: bytes

    def holds(self, at: datetime) -> bool:
        return self.since <= at < self.until


def seal_entry(entry: CacheEntry, *, key: str, feature: str) -> bytes:
    """The entry as signed bytes, bound to this key and feature."""
    numbers = (
        entry.version,
        entry.rules,
        _to_microseconds(entry.since),
        _to_microseconds(entry.until),
    )
    text = b"%b|%b|%d|%d|%d|%d|%d|%b" % (
        key.encode(),
        feature.encode(),
        *numbers,
        entry.is_whole,
        entry.body,
    )
    return _signature(text) + text


def open_entry(stored: object, *, key: str, feature: str) -> CacheEntry | None:
    """The entry from signed bytes; None unless they were sealed for this key and feature."""
    if type(stored) is not bytes:
        return None
    text = stored[_SEAL:]
    if not compare_digest(stored[:_SEAL], _signature(text)):
        return None
    entry_key, entry_feature, version, rules, since, until, is_whole, body = text.split(b"|", 7)
    if entry_key != key.encode() or entry_feature != feature.encode():
        return None
    return CacheEntry(
        int(version),
        int(rules),
        _from_microseconds(since),
        _from_microseconds(until),
        is_whole == b"1",
        body,
    )


def _signature(text: bytes) -> bytes:
    return blake2b(text, digest_size=_SEAL, key=_secret(settings.SECRET_KEY)).digest()


@lru_cache(maxsize=4)
def _secret(secret_key: str) -> bytes:
    return blake2b(secret_key.encode(), key=SCHEMA).digest()


def _to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def _from_microseconds(instant: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=int(instant))
