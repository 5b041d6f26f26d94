"""An API client for untimed requests: warming and checking answers."""

import http.client
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from benchmarks.bench_servers import BenchDatabase


def send_request(
    world: BenchDatabase, method: str, path: str, body: Any = None, key: str | None = None
) -> Any:
    """Send one request. Returns status and JSON body."""
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
    try:
        return _send(connection, world.shop.key if key is None else key, method, path, body)
    finally:
        connection.close()


def warm_checks(
    world: BenchDatabase, users: Iterable[int], feature: str, *, batch: int = 100
) -> None:
    """Check the feature of every user once, in batches."""
    listed = list(users)
    parts = [listed[start : start + batch] for start in range(0, len(listed), batch)]
    with ThreadPoolExecutor(4) as threads:
        for status in threads.map(lambda part: _check_batch(world, part, feature), parts):
            if status != 200:
                raise RuntimeError(f"Warming was answered with {status}.")


def _check_batch(world: BenchDatabase, users: list[int], feature: str) -> int:
    checks = [{"user_id": f"u{user}", "feature": feature} for user in users]
    status, _ = send_request(world, "POST", "/api/v1/entitlements/check", {"checks": checks})
    return int(status)


def _send(
    connection: http.client.HTTPConnection, key: str, method: str, path: str, body: Any
) -> tuple[int, Any]:
    connection.request(
        method,
        path,
        body=None if body is None else orjson.dumps(body),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    answer = connection.getresponse()
    return answer.status, orjson.loads(answer.read() or b"null")
