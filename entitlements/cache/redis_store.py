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
local function store(key, version, lifetime, first, last)
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
  redis.call('HSET', key, 'version', version, unpack(ARGV, first, last))
  redis.call('PEXPIRE', key, math.max(left, lifetime))
  return 1
end
local stored, at = {}, 1
for number, key in ipairs(KEYS) do
  local last = at + 2 + ARGV[at + 2]
  stored[number] = store(key, ARGV[at], ARGV[at + 1], at + 3, last)
  at = last + 1
end
return stored
"""
"""Store each hash unless a newer version is there; returns 1 or 0 for each. ARGV per key: version,
lifetime in ms, number of fields and values, fields and values. A key of another type or without an
expiry is deleted first."""
_STORE_SCRIPT_SHA = hashlib.sha1(_STORE_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_MAX_KEYS_PER_CALL = 100
"""A script blocks Redis for all other clients while it runs."""


class VersionedHash(NamedTuple):
    """A hash to store. ``fields`` are names and values in turn; none makes a tombstone."""

    key: str
    version: int
    lifetime: timedelta
    fields: tuple[str | bytes, ...] = ()


def store(hashes: Sequence[VersionedHash]) -> list[Any]:
    """1 or 0 for each hash that was stored or refused; [] when Redis is away. One round trip, a
    second one when Redis does not have the script yet."""
    parts = [
        hashes[first : first + _MAX_KEYS_PER_CALL]
        for first in range(0, len(hashes), _MAX_KEYS_PER_CALL)
    ]
    replies = exchange(*(("EVALSHA", _STORE_SCRIPT_SHA, *_arguments(part)) for part in parts))
    if any(isinstance(reply, ResponseError) and "NOSCRIPT" in str(reply) for reply in replies):
        replies = exchange(*map(build_store_command, parts))
    if not all(isinstance(reply, list) for reply in replies):
        return []
    return [stored for reply in replies for stored in reply]


def build_store_command(hashes: Sequence[VersionedHash]) -> tuple[str | bytes | int, ...]:
    """The EVAL command that stores these hashes."""
    return ("EVAL", _STORE_SCRIPT, *_arguments(hashes))


def milliseconds(lifetime: timedelta) -> int:
    return max(1, lifetime // timedelta(milliseconds=1))


def _arguments(hashes: Sequence[VersionedHash]) -> list[str | bytes | int]:
    """KEYS and ARGV of the script."""
    arguments: list[str | bytes | int] = [len(hashes), *[hash_.key for hash_ in hashes]]
    for hash_ in hashes:
        arguments += (hash_.version, milliseconds(hash_.lifetime), len(hash_.fields), *hash_.fields)
    return arguments
