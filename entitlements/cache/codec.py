"""One kept decision as bytes: whose it is, what it was made from, until when it is certain; sealed.

The seal is a keyed hash over all of it, so that whatever else may stand in Redis (rubbish, somebody
else's entry, one of an older program, one that was tampered with) is never taken for an answer.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest

from django.conf import settings

SCHEMA = b"entitlements/3"
"""Changed when the shape of an entry changes: older ones become misses."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SEAL = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision that was computed at ``since`` and is certain until ``until``.

    ``version`` is the customer's, ``rules`` the project's. ``body`` is the answer, ready to be
    sent, if ``is_whole``; else what facts alone say, which figures have to complete.
    """

    version: int
    rules: int
    since: datetime
    until: datetime
    is_whole: bool
    body: bytes

    def holds(self, at: datetime) -> bool:
        return self.since <= at < self.until


def sealed(entry: Entry, *, key: str, feature: str) -> bytes:
    """The entry as it is kept under this key."""
    numbers = (entry.version, entry.rules, _instant(entry.since), _instant(entry.until))
    text = b"%b|%b|%d|%d|%d|%d|%d|%b" % (
        key.encode(),
        feature.encode(),
        *numbers,
        entry.is_whole,
        entry.body,
    )
    return _seal(text) + text


def opened(stored: object, *, key: str, feature: str) -> Entry | None:
    """The entry that was kept under this key; None when it is not exactly that."""
    if type(stored) is not bytes:
        return None
    text = stored[_SEAL:]
    if not compare_digest(stored[:_SEAL], _seal(text)):
        return None
    of, about, version, rules, since, until, is_whole, body = text.split(b"|", 7)
    if of != key.encode() or about != feature.encode():
        return None
    return Entry(int(version), int(rules), _moment(since), _moment(until), is_whole == b"1", body)


def _seal(text: bytes) -> bytes:
    return blake2b(text, digest_size=_SEAL, key=_secret(settings.SECRET_KEY)).digest()


@lru_cache(maxsize=4)
def _secret(secret_key: str) -> bytes:
    return blake2b(secret_key.encode(), key=SCHEMA).digest()


def _instant(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def _moment(instant: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=int(instant))
