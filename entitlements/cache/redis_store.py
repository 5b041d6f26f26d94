"""Hashes in Redis that never go back to an older version, stored by a script that compares.

Each has a field ``version`` and fields of that version, and lives for a moment. One that holds no
field but its version is a tombstone: nothing older gets in for as long as it lives.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from redis import ResponseError

from common.redis import exchange

_SCRIPT = """
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
"""Set each unless older; which were set. ARGV: for each key its version, milliseconds to live, and
how many fields and values follow, of which a tombstone has none. A key that is no hash of ours, or
does not expire, is thrown away first."""
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_AT_ONCE = 100
"""Keys in one call: nobody else is served meanwhile."""


class Hash(NamedTuple):
    """One as it is to be stored; ``fields`` are names and values in turn."""

    key: str
    version: int
    lifetime: timedelta
    fields: tuple[str | bytes, ...] = ()


def store(hashes: Sequence[Hash]) -> list[Any]:
    """Whether each was stored, as 1 or 0; [] when Redis is away or forbids it. In one round trip,
    and once more when Redis does not know the script yet."""
    parts = [hashes[first : first + _AT_ONCE] for first in range(0, len(hashes), _AT_ONCE)]
    replies = exchange(*(("EVALSHA", _SHA, *_given(part)) for part in parts))
    if any(isinstance(each, ResponseError) and "NOSCRIPT" in str(each) for each in replies):
        replies = exchange(*map(storing, parts))
    if not all(isinstance(each, list) for each in replies):
        return []
    return [one for each in replies for one in each]


def storing(hashes: Sequence[Hash]) -> tuple[str | bytes | int, ...]:
    """The command that stores them, whether Redis knows the script or not."""
    return ("EVAL", _SCRIPT, *_given(hashes))


def milliseconds(lifetime: timedelta) -> int:
    return max(1, lifetime // timedelta(milliseconds=1))


def _given(hashes: Sequence[Hash]) -> list[str | bytes | int]:
    """The keys and the arguments of the script."""
    given: list[str | bytes | int] = [len(hashes), *[each.key for each in hashes]]
    for each in hashes:
        given += (each.version, milliseconds(each.lifetime), len(each.fields), *each.fields)
    return given
