"""Public ids: one id in the database, the API, the logs and the console.

An id is a prefix for the kind of object and 26 characters of Crockford base 32: 48 bits of
milliseconds since 1970, then 80 random bits (the ULID layout). Therefore ids of one kind sort by
creation time (exactly, within one process) and cannot be guessed.
"""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_LENGTH = 26
_RANDOM_BITS = 80
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SHIFTS = range((_LENGTH - 2) * 5, -1, -10)
_lock = threading.Lock()
_last = 0
_buffer = b""
_position = 0


def new_id(prefix: str) -> str:
    """A new id such as ``sub_01j9zc3k5v8e4w2t7x6y5q4r3s``."""
    return _encode(prefix, _next())


def first_id(prefix: str, at: datetime) -> str:
    """The smallest possible id of this millisecond; for times before 1970 the smallest of all."""
    return _encode(prefix, max((at - _EPOCH) // _MILLISECOND, 0) << _RANDOM_BITS)


def time_of(public_id: str) -> datetime:
    """The millisecond in which the id was created."""
    number = 0
    for character in public_id[-_LENGTH:]:
        number = number << 5 | _ALPHABET.index(character)
    return _EPOCH + (number >> _RANDOM_BITS) * _MILLISECOND


def _encode(prefix: str, number: int) -> str:
    body = "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])
    return f"{prefix}_{body}"


def _next() -> int:
    """A number greater than all before, also within one millisecond; the increment is random."""
    global _last
    with _lock:
        number = (time.time_ns() // 1_000_000) << _RANDOM_BITS | _random(10)
        _last = number if number > _last else _last + 1 + _random(8)
        return _last


def _random(size: int) -> int:
    """Random bytes as a number.

    The bytes are read for hundreds of ids at once: each read releases the interpreter lock, and
    other threads would then wait for our lock.
    """
    global _buffer, _position
    if len(_buffer) < _position + size:
        _buffer, _position = os.urandom(4096), 0
    chunk = _buffer[_position : _position + size]
    _position += size
    return int.from_bytes(chunk)


def _after_fork() -> None:
    """Drop the buffer and the lock: no two processes may use the same random bytes."""
    global _buffer, _lock
    _buffer, _lock = b"", threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def is_id(value: object, prefix: str) -> bool:
    """Whether ``value`` has the form of an id of this kind; it need not exist."""
    if not isinstance(value, str) or not value.startswith(f"{prefix}_"):
        return False
    body = value[len(prefix) + 1 :]
    return len(body) == _LENGTH and all(character in _ALPHABET for character in body)


class PublicIdField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """A primary key that creates its own prefixed id."""

    def __init__(self, *, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        kwargs.setdefault("primary_key", True)
        kwargs.setdefault("max_length", len(prefix) + 1 + _LENGTH)
        kwargs.setdefault("editable", False)
        super().__init__(**kwargs)

    def has_default(self) -> bool:
        return True

    def get_default(self) -> str:
        return new_id(self.prefix)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "prefix": self.prefix}


def prefix_of(model: type[models.Model]) -> str:
    """The prefix of this model's ids."""
    key = model._meta.pk
    assert isinstance(key, PublicIdField)
    return key.prefix
