"""Count requests of the fast path instead of logging each: a log line would cost more than the
answer.

Errors, refusals and slow answers have log lines of their own; refusals by a rate limit have not,
``projects.limits.refusal_log`` counts them. The number of all requests is logged once a minute.
Checks that the event loop answers from its cache are counted without a lock: one thread counts
them.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable
from http import HTTPStatus
from itertools import accumulate, count

import structlog
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from common.process_metrics import FAST_BUCKETS, REGISTRY, CallbackCollector
from common.request_metrics import DURATION_NAME, REQUESTS_NAME, record_request
from entitlements.cache.hit_rate import LOOKUPS_NAME, PROCESS

log = structlog.get_logger("tollgate.request")

SLOW_SECONDS = 0.25
"""Seconds from which on an answer has a log line of its own."""
REPORT_SECONDS = 60.0
"""Seconds between two log lines with the number of requests."""
CHECK = "/api/v1/entitlements/check"


class RequestCounter:
    """Number of requests that this process has answered on the fast path."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._report_at = time.perf_counter() + REPORT_SECONDS
        self._reported = 0
        self._checks = [0] * (len(FAST_BUCKETS) + 1)
        """Cached checks by bucket of their duration."""
        self._check_seconds = 0.0

    def count_answer(
        self, *, method: str, path: str, route: str, status: int, started: float
    ) -> None:
        """Count an answer; ``started`` is from :func:`time.perf_counter`, ``route`` the pattern of
        the path."""
        now = time.perf_counter()
        record_request(method=method, route=route, status=status, seconds=now - started)
        self._count(method, path, status, started, now)

    def count_cached_check(self, *, started: float) -> None:
        """Count a check that the event loop has answered. Only its thread may call this."""
        now = time.perf_counter()
        self._checks[bisect_left(FAST_BUCKETS, now - started)] += 1
        self._check_seconds += now - started
        self._count("GET", CHECK, 200, started, now)

    def _count(self, method: str, path: str, status: int, started: float, now: float) -> None:
        number = next(self._numbers)
        is_error = status >= 400 and status != HTTPStatus.TOO_MANY_REQUESTS
        if is_error or now - started >= SLOW_SECONDS:
            log.info(
                "request",
                method=method,
                path=path,
                status=status,
                duration_ms=round((now - started) * 1000, 1),
            )
        if now >= self._report_at:
            answered, self._reported = number - self._reported, number
            self._report_at = now + REPORT_SECONDS
            log.info("fast_path_requests", answered=answered)

    def families(self) -> Iterable[Metric]:
        """The cached checks as a part of all requests, and of all lookups in the cache."""
        checks = list(accumulate(self._checks))
        bounds = [*map(floatToGoString, FAST_BUCKETS), "+Inf"]
        durations = HistogramMetricFamily(DURATION_NAME, "", labels=["method", "route"])
        buckets = list(zip(bounds, checks, strict=True))
        durations.add_metric(["GET", CHECK], buckets=buckets, sum_value=self._check_seconds)
        requests = CounterMetricFamily(REQUESTS_NAME, "", labels=["method", "route", "status"])
        requests.add_metric(["GET", CHECK, "200"], checks[-1])
        lookups = CounterMetricFamily(LOOKUPS_NAME, "", labels=["source"])
        lookups.add_metric([PROCESS], checks[-1])
        return [durations, requests, lookups]


request_counter = RequestCounter()
REGISTRY.register(CallbackCollector(request_counter.families))
