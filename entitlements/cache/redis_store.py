"""Versioned hashes in Redis: a script refuses to overwrite a newer version.

A hash has a field ``version``, fields of that version, and an expiry. A hash with no other field is
a tombstone: it keeps older versions out until it expires.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from redis import ResponseError

from common.redis import exchange

_STORE_SCRIPT = """
local key, version, lifetime = KEYS[1], ARGV[1], ARGV[2]
local held, left = redis.pcall('HGET', key, 'version'), redis.call('PTTL', key)
if type(held) ~= 'string' or not tonumber(held) or left < 0 then
  if left ~= -2 then redis.call('DEL', key) end
  left = 0
elseif tonumber(held) > tonumber(version) then
  return 0
elseif tonumber(held) < tonumber(version) then
  redis.call('DEL', key)
  left = 0
end
redis.call('HSET', key, 'version', version, unpack(ARGV, 3))
redis.call('PEXPIRE', key, math.max(left, lifetime))
return 1
"""
"""Store a hash unless a newer version is there; returns 1 or 0. ARGV: version, lifetime in ms,
fields and values. A key of another type or without an expiry is deleted first. One key for each
call: those of several users are in different slots of a cluster."""
_STORE_SCRIPT_SHA = hashlib.sha1(_STORE_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class VersionedHash(NamedTuple):
    """A hash to store. ``fields`` are names and values in turn; none makes a tombstone."""

    key: str
    version: int
    lifetime: timedelta
    fields: tuple[str | bytes, ...] = ()


def store(hashes: Sequence[VersionedHash]) -> list[Any]:
    """1 or 0 for each hash that was stored or refused; [] when Redis is away. One round trip, a
    second one when Redis does not have the script yet."""
    calls = [("EVALSHA", _STORE_SCRIPT_SHA, *_arguments(hash_)) for hash_ in hashes]
    replies = exchange(*calls)
    if any(isinstance(reply, ResponseError) and "NOSCRIPT" in str(reply) for reply in replies):
        replies = exchange(("SCRIPT", "LOAD", _STORE_SCRIPT), *calls)[1:]
    return replies if all(isinstance(reply, int) for reply in replies) else []


def build_store_command(hash_: VersionedHash) -> tuple[str | bytes | int, ...]:
    """The EVAL command that stores this hash."""
    return ("EVAL", _STORE_SCRIPT, *_arguments(hash_))


def milliseconds(lifetime: timedelta) -> int:
    return max(1, lifetime // timedelta(milliseconds=1))


def _arguments(hash_: VersionedHash) -> tuple[str | bytes | int, ...]:
    """KEYS and ARGV of the script."""
    return (1, hash_.key, hash_.version, milliseconds(hash_.lifetime), *hash_.fields)
