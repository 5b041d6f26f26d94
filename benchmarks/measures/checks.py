"""Entitlement checks: warm in the process, warm in Redis, metered, cold, and in a batch.

Process caches live for a second at most; cases that must not use them wait longer.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from benchmarks import api_client, wrk
from benchmarks.bench_servers import BenchDatabase
from benchmarks.wrk import LoadResult

PATH = "/api/v1/entitlements/check"
WARM_CUSTOMERS = 100
"""Customers of the warm cases: fewer than a process caches."""
CUSTOMERS_PER_SECOND = 12_000
"""Customers to prepare per second: more than are checked."""
EXPIRY_SECONDS = 1.5
"""Seconds until process caches have expired."""


def check_peer(url: str, key: str, seconds: float) -> LoadResult:
    """Check at a peer, at the same path with the same requests."""
    return _run_checks(url, key, "sso", seconds, first=0, count=WARM_CUSTOMERS)


def check_in_process(world: BenchDatabase, seconds: float, *, connections: int = 32) -> LoadResult:
    api_client.warm_checks(world, range(WARM_CUSTOMERS), "sso")
    key = world.shop.key
    return _run_checks(
        world.url, key, "sso", seconds, first=0, count=WARM_CUSTOMERS, connections=connections
    )


def check_in_redis(world: BenchDatabase, seconds: float, *, crowd: int) -> LoadResult:
    """Check many customers once each; they are cached in Redis and in no process."""
    count = min(crowd, int(CUSTOMERS_PER_SECOND * seconds))
    api_client.warm_checks(world, range(count), "sso")
    time.sleep(EXPIRY_SECONDS)
    return _run_checks(world.url, world.shop.key, "sso", seconds, first=0, count=count)


def check_metered(world: BenchDatabase, seconds: float) -> LoadResult:
    """Check a metered feature; its usage is never cached in the process."""
    api_client.warm_checks(world, range(WARM_CUSTOMERS), "calls")
    return _run_checks(world.url, world.shop.key, "calls", seconds, first=0, count=WARM_CUSTOMERS)


def check_cold(world: BenchDatabase, seconds: float, *, crowd: int) -> LoadResult:
    """Check many customers once each, with an empty Redis."""
    world.forget()
    time.sleep(EXPIRY_SECONDS)
    return _run_checks(world.url, world.shop.key, "sso", seconds, first=0, count=crowd)


def check_batch(world: BenchDatabase, seconds: float, *, size: int, at: Path) -> LoadResult:
    """Check the customers of :func:`in_process` in one request."""
    checks = [{"user_id": f"u{user}", "feature": "sso"} for user in range(size)]
    line = orjson.dumps({"checks": checks}) + b"\n"
    for thread in range(wrk.THREADS):
        at.with_name(f"{at.name}.{thread}").write_bytes(line)
    api_client.warm_checks(world, range(size), "sso")
    arguments = [PATH, str(at), world.shop.key]
    return wrk.run_wrk(
        world.url, script="post.lua", arguments=arguments, seconds=seconds, connections=16
    )


def find_mistakes(world: BenchDatabase, users: range) -> list[str]:
    """Wrong answers to single checks and an unknown user or key."""
    wrong = []
    for user in users:
        for feature, expected in EXPECTED.items():
            status, body = _check_one(world, f"u{user}", feature)
            if status != 200 or {name: body[name] for name in expected} != expected:
                wrong.append(f"u{user} {feature}: {status} {body}")
    status, body = _check_one(world, "nobody", "sso")
    if (status, body["allowed"], body["reason"]) != (200, False, "not_entitled"):
        wrong.append(f"nobody: {status} {body}")
    status, _ = api_client.send_request(
        world, "GET", f"{PATH}?user_id=u1&feature=sso", key="tg_test_x"
    )
    if status != 401:
        wrong.append(f"a key that never was: {status}")
    return wrong


EXPECTED: Mapping[str, Mapping[str, object]] = {
    "sso": {"feature": "sso", "allowed": True, "reason": "entitled", "value": True, "version": 1},
    "seats": {"feature": "seats", "allowed": True, "limit": 5, "value": 5},
    "calls": {"feature": "calls", "allowed": True, "reason": "entitled"},
}


def _check_one(world: BenchDatabase, user_id: str, feature: str) -> tuple[int, dict[str, object]]:
    status, body = api_client.send_request(
        world, "GET", f"{PATH}?user_id={user_id}&feature={feature}"
    )
    return status, body


def _run_checks(
    url: str,
    key: str,
    feature: str,
    seconds: float,
    *,
    first: int,
    count: int,
    connections: int = 32,
) -> LoadResult:
    return wrk.run_wrk(
        url,
        script="get.lua",
        arguments=[f"{PATH}?user_id=", f"&feature={feature}", key, str(first), str(count)],
        seconds=seconds,
        connections=connections,
    )
