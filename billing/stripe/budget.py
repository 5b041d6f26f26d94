"""Limit of read requests per Stripe account, so that background reads never delay buyers.

Each account has a token bucket, refilled at ``settings.BILLING.stripe_reads`` tokens a second. One
third is reserved for interactive callers. After a 429 it refills at half the rate for a while. The
bucket is in Redis, shared by all processes; while Redis is away each process has a small bucket of
its own.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.conf import settings

from common import redis

if TYPE_CHECKING:
    from billing.models import StripeAccount

RESERVED = 1 / 3
"""Share of the bucket that only interactive callers may use."""
BURST = 0.5
"""Size of the bucket, in seconds of the rate."""
SLOW_FOR = 30
"""Seconds for which a 429 halves the rate."""
PROCESSES = 4
"""Number by which the rate is divided while Redis is away: each process then counts alone."""
EXPIRY = 120
"""Seconds after which Redis drops an unused bucket; it is full again long before."""

_TAKE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local rate, size, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'slow_until')
if tonumber(held[3] or 0) > now then rate = rate / 2 end
local tokens = tonumber(held[1] or size)
local at = tonumber(held[2] or now)
tokens = math.min(size, tokens + math.max(0, now - at) * rate)
local wait = 0
if tokens >= floor + 1 then tokens = tokens - 1 else wait = (floor + 1 - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return tostring(wait)
"""
_SLOW_DOWN = """
local clock = redis.call('TIME')
redis.call('HSET', KEYS[1], 'slow_until', tostring(tonumber(clock[1]) + tonumber(ARGV[1])))
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


class Lane(Enum):
    """Whether a person or a background task waits for the answer."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


@dataclass(slots=True)
class TokenBucket:
    """The bucket of this process, used while Redis is away."""

    tokens: float
    at: float
    slow_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, *, rate: float, size: float, floor: float, now: float) -> float:
        """0.0 if a token was taken, otherwise the seconds until one is available."""
        with self.lock:
            rate = rate / 2 if self.slow_until > now else rate
            self.tokens = min(size, self.tokens + (now - self.at) * rate)
            self.at = now
            if self.tokens < floor + 1:
                return (floor + 1 - self.tokens) / rate
            self.tokens -= 1
            return 0.0


_buckets: dict[str, TokenBucket] = {}


def take(account: "StripeAccount", lane: Lane) -> float:
    """0.0 if one request may be sent now, otherwise the seconds until one may be sent."""
    rate = _rate(account)
    wait = redis.attempt(
        lambda client: float(_run(client, _TAKE, account, *_arguments(rate, lane), EXPIRY)),
        fallback=None,
    )
    return _take_locally(account, rate / PROCESSES, lane) if wait is None else wait


def wait(
    account: "StripeAccount",
    lane: Lane,
    *,
    patience: float,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Wait up to ``patience`` seconds for permission to send one request; False if it did not
    come."""
    deadline = time.monotonic() + patience
    while (pause := take(account, lane)) > 0:
        if time.monotonic() + pause > deadline:
            return False
        sleep(pause)
    return True


def slow_down(account: "StripeAccount") -> None:
    """Halve the rate for ``SLOW_FOR`` seconds after Stripe has answered 429."""
    if bucket := _buckets.get(account.pk):
        bucket.slow_until = time.monotonic() + SLOW_FOR
    redis.attempt(lambda client: _run(client, _SLOW_DOWN, account, SLOW_FOR, EXPIRY), fallback=None)


def _rate(account: "StripeAccount") -> float:
    live, test = settings.BILLING.stripe_reads, settings.BILLING.stripe_test_reads
    return float(live if account.livemode else test)


def _arguments(rate: float, lane: Lane) -> tuple[float, float, float]:
    """Rate, size and floor. The smallest bucket still holds one token for each lane."""
    size = max(rate * BURST, 2.0)
    floor = max(size * RESERVED, 1.0) if lane is Lane.BACKGROUND else 0.0
    return rate, size, floor


def _take_locally(account: "StripeAccount", rate: float, lane: Lane) -> float:
    rate, size, floor = _arguments(rate, lane)
    now = time.monotonic()
    bucket = _buckets.setdefault(account.pk, TokenBucket(tokens=size, at=now))
    return bucket.take(rate=rate, size=size, floor=floor, now=now)


def _run(client: Any, script: str, account: "StripeAccount", *arguments: float) -> Any:
    return client.eval(script, 1, f"stripe:budget:{account.pk}", *arguments)
