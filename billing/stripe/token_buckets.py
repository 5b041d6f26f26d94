"""Token buckets that all processes share in Redis, with a rate that gives way to Stripe's 429.

A refusal halves the rate (:func:`slow_down`); it grows back to the whole within ``RECOVERY``
seconds (additive increase, multiplicative decrease: Chiu and Jain 1989). While Redis is away each
process has small buckets of its own.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from common import redis

RECOVERY = 60
"""Seconds in which a rate grows from nothing to the whole."""
LEAST_FACTOR = 1 / 8
"""However often Stripe refuses, this part of the rate stays."""
SAME_REFUSAL = 1.0
"""Seconds after a refusal in which others are taken for the same one: requests that were under way
together are refused together."""
PROCESSES = 4
"""Number by which rates are divided while Redis is away: each process then counts alone."""
EXPIRY = 120
"""Seconds after which Redis drops an unused bucket; it is full, and its rate whole, before."""

_TAKE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local wait, levels = 0, {}
for number, key in ipairs(KEYS) do
  local rate, size, floor = unpack(ARGV, 3 * number, 3 * number + 2)
  rate, size, floor = tonumber(rate), tonumber(size), tonumber(floor)
  local held = redis.call('HMGET', key, 'tokens', 'at', 'factor', 'slowed_at')
  if held[3] then
    rate = rate * math.min(1, held[3] + (now - held[4]) / ARGV[2])
  end
  local passed = math.max(0, now - tonumber(held[2] or now))
  local tokens = math.min(size, tonumber(held[1] or size) + passed * rate)
  if tokens < floor + 1 then wait = math.max(wait, (floor + 1 - tokens) / rate) end
  levels[number] = tokens
end
for number, key in ipairs(KEYS) do
  local tokens = levels[number]
  if wait == 0 then tokens = tokens - 1 end
  redis.call('HSET', key, 'tokens', tostring(tokens), 'at', tostring(now))
  redis.call('EXPIRE', key, ARGV[1])
end
return tostring(wait)
"""
_SLOW_DOWN = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'factor', 'slowed_at')
local factor = 1
if held[1] then
  if now - held[2] < tonumber(ARGV[4]) then return end
  factor = math.min(1, held[1] + (now - held[2]) / ARGV[2])
end
redis.call('HSET', KEYS[1], 'factor', tostring(math.max(ARGV[3], factor / 2)),
  'slowed_at', tostring(now))
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


class BucketLimit(NamedTuple):
    """A bucket of ``size`` tokens that gains ``rate`` a second. ``floor`` tokens must be left."""

    key: str
    rate: float
    size: float
    floor: float


@dataclass(slots=True)
class ProcessBucket:
    """A bucket of this process, used while Redis is away."""

    tokens: float
    at: float
    factor: float = 1.0
    slowed_at: float = float("-inf")

    def wait(self, limit: BucketLimit, *, now: float) -> float:
        """0.0 if a token may be taken, otherwise the seconds until then."""
        rate = limit.rate * self._factor(now)
        self.tokens = min(limit.size, self.tokens + (now - self.at) * rate)
        self.at = now
        return max(0.0, (limit.floor + 1 - self.tokens) / rate)

    def slow_down(self, *, now: float) -> None:
        if now - self.slowed_at >= SAME_REFUSAL:
            self.factor = max(LEAST_FACTOR, self._factor(now) / 2)
            self.slowed_at = now

    def _factor(self, now: float) -> float:
        return min(1.0, self.factor + (now - self.slowed_at) / RECOVERY)


_buckets: dict[str, ProcessBucket] = {}
_lock = threading.Lock()


def take(limits_at: Callable[[float], list[BucketLimit]]) -> float:
    """Take a token from each bucket and return 0.0, or take none and return the seconds until that
    is possible. ``limits_at(part)`` gives the limits of processes that have this part of the rate.
    """
    limits = limits_at(1.0)
    wait = redis.attempt(lambda client: _take(client, limits), fallback=None)
    return _take_locally(limits_at(1 / PROCESSES)) if wait is None else wait


def slow_down(key: str) -> None:
    """Halve the rate of a bucket whose request was refused."""
    with _lock:
        if bucket := _buckets.get(key):
            bucket.slow_down(now=time.monotonic())
    redis.attempt(
        lambda client: client.eval(
            _SLOW_DOWN, 1, key, EXPIRY, RECOVERY, LEAST_FACTOR, SAME_REFUSAL
        ),
        fallback=None,
    )


def shares_left(limits: Sequence[BucketLimit]) -> dict[str, float]:
    """What is left in each bucket that was used lately, from 0 to 1, by its key. One round trip;
    empty while Redis is away."""
    return redis.attempt(lambda client: _shares_left(client, limits), fallback=None) or {}


def _take(client: Any, limits: list[BucketLimit]) -> float:
    figures = [figure for limit in limits for figure in limit[1:]]
    keys = [limit.key for limit in limits]
    return float(client.eval(_TAKE, len(keys), *keys, EXPIRY, RECOVERY, *figures))


def _take_locally(limits: list[BucketLimit]) -> float:
    now = time.monotonic()
    with _lock:
        buckets = [
            _buckets.setdefault(limit.key, ProcessBucket(tokens=limit.size, at=now))
            for limit in limits
        ]
        wait = max(
            bucket.wait(limit, now=now) for bucket, limit in zip(buckets, limits, strict=True)
        )
        if not wait:
            for bucket in buckets:
                bucket.tokens -= 1
    return wait


def _shares_left(client: Any, limits: Sequence[BucketLimit]) -> dict[str, float]:
    pipeline = client.pipeline(transaction=False)
    for limit in limits:
        pipeline.hmget(limit.key, "tokens", "at")
    pipeline.time()
    *buckets, (seconds, microseconds) = pipeline.execute()
    now = seconds + microseconds / 1_000_000
    return {
        limit.key: min(1.0, (float(tokens) + (now - float(at)) * limit.rate) / limit.size)
        for limit, (tokens, at) in zip(limits, buckets, strict=True)
        if tokens is not None and at is not None
    }
