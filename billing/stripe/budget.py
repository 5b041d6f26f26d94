"""Limit of read requests per Stripe account, so that background reads never delay buyers.

Each account has a token bucket, refilled at ``settings.BILLING.stripe_reads`` tokens a second. One
third is reserved for interactive callers. In the account that projects share, the requests of one
project get half of the rate at most. After a 429 it refills at half the rate for a while. The
buckets are in Redis, shared by all processes; while Redis is away each process has small buckets of
its own.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings

from common import context, redis

if TYPE_CHECKING:
    from billing.models import StripeAccount

RESERVED = 1 / 3
"""Share of the bucket that only interactive callers may use."""
SHARE = 1 / 2
"""Part of a shared account's rate that one project's requests may use."""
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
local wait, levels = 0, {}
for number, key in ipairs(KEYS) do
  local rate, size, floor = unpack(ARGV, 3 * number - 1, 3 * number + 1)
  rate, size, floor = tonumber(rate), tonumber(size), tonumber(floor)
  local held = redis.call('HMGET', key, 'tokens', 'at', 'slow_until')
  if tonumber(held[3] or 0) > now then rate = rate / 2 end
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
redis.call('HSET', KEYS[1], 'slow_until', tostring(tonumber(clock[1]) + tonumber(ARGV[1])))
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


class Lane(Enum):
    """Whether a person or a background task waits for the answer."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


class BudgetLimit(NamedTuple):
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
    slow_until: float = 0.0

    def wait(self, limit: BudgetLimit, *, now: float) -> float:
        """0.0 if a token may be taken, otherwise the seconds until then."""
        rate = limit.rate / 2 if self.slow_until > now else limit.rate
        self.tokens = min(limit.size, self.tokens + (now - self.at) * rate)
        self.at = now
        return max(0.0, (limit.floor + 1 - self.tokens) / rate)


_buckets: dict[str, ProcessBucket] = {}
_lock = threading.Lock()


def take(account: "StripeAccount", lane: Lane) -> float:
    """0.0 if one request may be sent now, otherwise the seconds until one may be sent."""
    limits = _limits(account, lane, _rate(account))
    wait = redis.attempt(lambda client: _take(client, limits), fallback=None)
    return (
        _take_locally(_limits(account, lane, _rate(account) / PROCESSES)) if wait is None else wait
    )


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


def lowest_share(accounts: Iterable["StripeAccount"]) -> float:
    """What is left, from 0 to 1, in the bucket of the account with the least. 1 while Redis is
    away."""
    rates = {account.pk: _rate(account) for account in accounts}
    shares = redis.attempt(lambda client: _shares(client, rates), fallback=None)
    return min(shares or [], default=1.0)


def _shares(client: Any, rates: Mapping[str, float]) -> list[float]:
    """The shares of buckets that were used lately; one round trip."""
    pipeline = client.pipeline(transaction=False)
    for account_id in rates:
        pipeline.hmget(f"stripe:budget:{account_id}", "tokens", "at")
    pipeline.time()
    *buckets, (seconds, microseconds) = pipeline.execute()
    now = seconds + microseconds / 1_000_000
    shares = []
    for rate, (tokens, taken_at) in zip(rates.values(), buckets, strict=True):
        if tokens is not None and taken_at is not None:
            size = max(rate * BURST, 2.0)
            shares.append(min(1.0, (float(tokens) + (now - float(taken_at)) * rate) / size))
    return shares


def slow_down(account: "StripeAccount") -> None:
    """Halve the rate for ``SLOW_FOR`` seconds after Stripe has answered 429."""
    if bucket := _buckets.get(_key(account)):
        bucket.slow_until = time.monotonic() + SLOW_FOR
    redis.attempt(
        lambda client: client.eval(_SLOW_DOWN, 1, _key(account), SLOW_FOR, EXPIRY), fallback=None
    )


def _rate(account: "StripeAccount") -> float:
    live, test = settings.BILLING.stripe_reads, settings.BILLING.stripe_test_reads
    return float(live if account.livemode else test)


def _limits(account: "StripeAccount", lane: Lane, rate: float) -> list[BudgetLimit]:
    """The account's limit, and in the shared account that of the project whose request it is. The
    smallest bucket still holds one token for each lane."""
    size = max(rate * BURST, 2.0)
    floor = max(size * RESERVED, 1.0) if lane is Lane.BACKGROUND else 0.0
    limits = [BudgetLimit(_key(account), rate, size, floor)]
    project_id = context.tenant_id.get()
    if project_id and account.project_id is None:
        key = f"{_key(account)}:{project_id}"
        limits.append(BudgetLimit(key, rate * SHARE, max(size * SHARE, 1.0), 0.0))
    return limits


def _take(client: Any, limits: list[BudgetLimit]) -> float:
    figures = [figure for limit in limits for figure in limit[1:]]
    keys = [limit.key for limit in limits]
    return float(client.eval(_TAKE, len(keys), *keys, EXPIRY, *figures))


def _take_locally(limits: list[BudgetLimit]) -> float:
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


def _key(account: "StripeAccount") -> str:
    return f"stripe:budget:{account.pk}"
