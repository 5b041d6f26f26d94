"""``python -m benchmarks.measures.traced_calls TURNS``, in the environment of the product: the CPU
time of its calls without traces, with the default share of them, and with all."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from config.wsgi import application  # sets Django up, which the rest needs

from common import spans  # isort: skip
from config.fast_path import answer_cached_check  # isort: skip
from config.tracing import open_tracer  # isort: skip

RATIOS = {"off": None, "on, 5 %": 0.05, "on, all": 1.0}
Call = Callable[[int], None]
BEARER = {"HTTP_AUTHORIZATION": f"Bearer {os.environ['BENCH_KEY']}"}


def main(turns: int) -> None:
    tracer = open_tracer()
    for case, (call, count) in CASES.items():
        costs: dict[str, list[float]] = {name: [] for name in RATIOS}
        for turn in range(-1, turns):
            for name, ratio in RATIOS.items():
                spans.export(None if ratio is None else lambda: tracer, ratio=ratio or 0.0)
                cost = _cost_of(call, count)
                if turn >= 0:  # the first turn fills caches
                    costs[name].append(cost)
        print(_line(case, costs), flush=True)


def _check(number: int) -> None:
    traced = {"HTTP_TRACEPARENT": ""} if spans.are_exported() else {}
    environ = {**CHECK, **traced}
    if answer_cached_check(environ, lambda caller: []) is None:
        _send(dict(CHECK))  # the cache keeps answers for a second


def _record_usage(number: int) -> None:
    usage = {"user_id": f"u{number}", "meter": "events", "value": 1}
    body = json.dumps({**usage, "key": f"{os.getpid()}-{time.monotonic_ns()}"}).encode()
    _send(_environ("POST", "/api/v1/usage", "", body))


def _read(number: int) -> None:
    _send(_environ("GET", "/api/v1/entitlements", f"user_id=u{number}"))


def _send(environ: dict[str, Any]) -> None:
    statuses: list[str] = []
    b"".join(application(environ, lambda status, headers, _=None: statuses.append(status)))
    if not statuses[0].startswith("2"):
        raise RuntimeError(statuses[0])


def _environ(method: str, path: str, query: str, body: bytes = b"") -> dict[str, Any]:
    return {
        **BEARER,
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }


CHECK = _environ("GET", "/api/v1/entitlements/check", "user_id=u1&feature=sso")
CASES: dict[str, tuple[Call, int]] = {
    "check, warm in the process": (_check, 20_000),
    "POST /usage, one record": (_record_usage, 300),
    "GET /entitlements": (_read, 100),
}
"""Calls and how many of them are a turn."""


def _cost_of(call: Call, count: int) -> float:
    """Microseconds of CPU time of one call, the sending of its spans included."""
    begin = time.process_time()
    for number in range(count):
        call(number)
    spans.flush()
    return (time.process_time() - begin) / count * 1e6


def _line(case: str, costs: dict[str, list[float]]) -> str:
    parts = [f"{case}: {statistics.median(costs['off']):.1f} µs"]
    for name in list(RATIOS)[1:]:
        ratios = [on / off for on, off in zip(costs[name], costs["off"], strict=True)]
        first, middle, last = statistics.quantiles(ratios, n=4)
        parts.append(f"{name} × {middle:.3f} ({first:.3f} to {last:.3f})")
    return "; ".join(parts)


if __name__ == "__main__":
    main(int(sys.argv[1]))
