"""Entitlement checks: warm in the process, warm in Redis, metered, cold, and in a batch.

Process caches live for a second at most; cases that must not use them wait longer.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from benchmarks import client, wrk
from benchmarks.place import World
from benchmarks.wrk import Load

PATH = "/api/v1/entitlements/check"
FEW = 100
"""Customers of the warm cases: fewer than a process caches."""
PER_SECOND = 12_000
"""Customers to prepare per second: more than are checked."""
FORGOTTEN = 1.5
"""Seconds until process caches have expired."""


def bare(url: str, key: str, seconds: float) -> Load:
    """Check at a peer, at the same path with the same requests."""
    return _get(url, key, "sso", seconds, first=0, count=FEW)


def in_process(world: World, seconds: float, *, connections: int = 32) -> Load:
    client.warm(world, range(FEW), "sso")
    key = world.shop.key
    return _get(world.url, key, "sso", seconds, first=0, count=FEW, connections=connections)


def in_redis(world: World, seconds: float, *, crowd: int) -> Load:
    """Check many customers once each; they are cached in Redis and in no process."""
    count = min(crowd, int(PER_SECOND * seconds))
    client.warm(world, range(count), "sso")
    time.sleep(FORGOTTEN)
    return _get(world.url, world.shop.key, "sso", seconds, first=0, count=count)


def counted(world: World, seconds: float) -> Load:
    """Check a metered feature; its usage is never cached in the process."""
    client.warm(world, range(FEW), "calls")
    return _get(world.url, world.shop.key, "calls", seconds, first=0, count=FEW)


def cold(world: World, seconds: float, *, crowd: int) -> Load:
    """Check many customers once each, with an empty Redis."""
    world.forget()
    time.sleep(FORGOTTEN)
    return _get(world.url, world.shop.key, "sso", seconds, first=0, count=crowd)


def batch(world: World, seconds: float, *, size: int, at: Path) -> Load:
    """Check the customers of :func:`in_process` in one request."""
    checks = [{"user_id": f"u{user}", "feature": "sso"} for user in range(size)]
    line = orjson.dumps({"checks": checks}) + b"\n"
    for thread in range(wrk.THREADS):
        at.with_name(f"{at.name}.{thread}").write_bytes(line)
    client.warm(world, range(size), "sso")
    arguments = [PATH, str(at), world.shop.key]
    return wrk.drive(
        world.url, script="post.lua", arguments=arguments, seconds=seconds, connections=16
    )


def mistakes(world: World, users: range) -> list[str]:
    """Wrong answers to single checks and an unknown user or key."""
    wrong = []
    for user in users:
        for feature, expected in EXPECTED.items():
            status, body = _ask(world, f"u{user}", feature)
            if status != 200 or {name: body[name] for name in expected} != expected:
                wrong.append(f"u{user} {feature}: {status} {body}")
    status, body = _ask(world, "nobody", "sso")
    if (status, body["allowed"], body["reason"]) != (200, False, "not_entitled"):
        wrong.append(f"nobody: {status} {body}")
    status, _ = client.call(world, "GET", f"{PATH}?user_id=u1&feature=sso", key="tg_test_x")
    if status != 401:
        wrong.append(f"a key that never was: {status}")
    return wrong


EXPECTED: Mapping[str, Mapping[str, object]] = {
    "sso": {"feature": "sso", "allowed": True, "reason": "entitled", "value": True, "version": 1},
    "seats": {"feature": "seats", "allowed": True, "limit": 5, "value": 5},
    "calls": {"feature": "calls", "allowed": True, "reason": "entitled"},
}


def _ask(world: World, user_id: str, feature: str) -> tuple[int, dict[str, object]]:
    status, body = client.call(world, "GET", f"{PATH}?user_id={user_id}&feature={feature}")
    return status, body


def _get(
    url: str,
    key: str,
    feature: str,
    seconds: float,
    *,
    first: int,
    count: int,
    connections: int = 32,
) -> Load:
    return wrk.drive(
        url,
        script="get.lua",
        arguments=[f"{PATH}?user_id=", f"&feature={feature}", key, str(first), str(count)],
        seconds=seconds,
        connections=connections,
    )
