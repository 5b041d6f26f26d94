"""Add up in Redis what all processes have let through.

The sum holds over time: tokens that processes have taken beyond the limit before they heard of each
other are owed, and delay the next ones. While Redis is away every process counts alone.
"""

import asyncio
from functools import partial
from typing import Any

import structlog

from common import redis
from common.request_threads import Threads
from projects.limits.limiter import Limiter
from projects.limits.token_bucket import Limit, SharedCount

log = structlog.get_logger(__name__)

EXCHANGE_SECONDS = 1.0
"""Between two exchanges of a process."""
MAX_SUBJECTS = 1000
"""Limits in one exchange, those with the most requests first."""
EXPIRY_SECONDS = 180
"""After which Redis drops an unused bucket; every bucket is full long before."""

_TAKE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local rate, size, taken = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local held = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(held[1] or size) + math.max(0, now - tonumber(held[2] or now)) * rate
level = math.max(math.min(level, size) - taken, -size)
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {tostring(level), redis.call('HINCRBY', KEYS[1], 'taken', taken)}
"""
"""Of one subject: those of several are in different slots of a cluster."""


async def keep_exchanging(limiter: Limiter, threads: Threads) -> None:
    """Exchange every second until this coroutine is cancelled. A failure is logged and the next
    exchange tried: without them every process would count alone."""
    while True:
        await asyncio.sleep(EXCHANGE_SECONDS)
        try:
            await threads.run(partial(exchange, limiter))
        except Exception as error:  # noqa: BLE001  # whatever it is, the next one may succeed
            log.warning("limits_not_exchanged", error=type(error).__name__)


def exchange(limiter: Limiter) -> None:
    """Report what this process has let through, and adopt what all processes have left."""
    usage = limiter.collect(MAX_SUBJECTS)
    if usage:
        limiter.adopt(usage, redis.attempt(lambda client: _take(client, usage), fallback={}))


def _take(client: Any, usage: list[tuple[Limit, int]]) -> dict[str, SharedCount]:
    """The shared count of each subject. A debt is limited to a full bucket."""
    take, pipeline = client.register_script(_TAKE), client.pipeline(transaction=False)
    for limit, taken in usage:
        figures = (EXPIRY_SECONDS, limit.rate, limit.size, taken)
        take(keys=[f"limit:{limit.subject}"], args=figures, client=pipeline)
    counts = pipeline.execute()
    return {
        limit.subject: SharedCount(float(level), taken)
        for (limit, _), (level, taken) in zip(usage, counts, strict=True)
    }
