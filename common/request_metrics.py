"""Counts requests by route and status, and their durations by route.

A route is the pattern that matched, never a path: paths contain ids. Requests that the fast path
answers have the same names as on the ordinary path.
"""

import re
from functools import lru_cache

from django.contrib.admindocs.views import simplify_regex
from django.http import HttpRequest
from prometheus_client import Counter, Histogram

from common.process_metrics import FAST_BUCKETS, REGISTRY

REQUESTS_NAME = "tollgate_http_requests"
DURATION_NAME = "tollgate_http_request_duration_seconds"
UNMATCHED = "unmatched"
"""The route of requests that match none: unknown addresses, static files."""
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter(
    REQUESTS_NAME, "Answers by route and status.", ["method", "route", "status"], registry=REGISTRY
)
DURATION = Histogram(
    DURATION_NAME,
    "Time from the request's last byte to the answer.",
    ["method", "route"],
    buckets=FAST_BUCKETS,
    registry=REGISTRY,
)


def record_request(*, method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer."""
    requests, duration = _instruments(method if method in METHODS else "other", route, status)
    requests.inc()
    duration.observe(seconds)


@lru_cache(maxsize=4096)
def _instruments(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once: both look-ups take longer than counting."""
    return REQUESTS.labels(method, route, str(status)), DURATION.labels(method, route)


def route_of(request: HttpRequest) -> str:
    """The pattern that matched, such as ``/api/v1/payments/{id}``."""
    match = request.resolver_match
    return UNMATCHED if match is None else _readable(match.route)


@lru_cache(maxsize=1024)
def _readable(pattern: str) -> str:
    return _PARAMETER.sub(r"{\1}", str(simplify_regex(pattern)))
