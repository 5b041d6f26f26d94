"""Requests to Stripe by resource and outcome, and their durations."""

import re
from urllib.parse import urlsplit

from prometheus_client import Counter, Histogram

from common.process_metrics import FAST_BUCKETS, REGISTRY

OK, UNREACHABLE, UNREADABLE = "ok", "unreachable", "unreadable"
_OUTCOMES = {
    401: "key_refused",
    402: "declined",
    403: "key_refused",
    404: "missing",
    409: "conflict",
    429: "too_many",
}
_RESOURCE = re.compile(r"/v[12]/([a-z_]{1,40})")

_REQUESTS = Counter(
    "tollgate_stripe_requests",
    "Requests to Stripe, retries included.",
    ["resource", "outcome"],
    registry=REGISTRY,
)
_DURATION = Histogram(
    "tollgate_stripe_request_duration_seconds",
    "Time until Stripe answered, or until we stopped waiting.",
    ["resource"],
    buckets=(*FAST_BUCKETS, 30.0),
    registry=REGISTRY,
)
BUDGET_EXHAUSTED = Counter(
    "tollgate_stripe_budget_exhausted",
    "Reads of Stripe that were put off because the account's budget was used up.",
    ["lane"],
    registry=REGISTRY,
)


_NAMESPACES = frozenset({"billing", "billing_portal", "checkout", "core", "radar", "test_helpers"})
"""First words of a path whose resource is the second."""


def pattern_of(url: str) -> str:
    """The path without ids: ``/v1/payment_intents/{id}/cancel``. An id may be a tenant's own
    word, so it is known by its place: behind each resource and its subresources."""
    version, *names = urlsplit(url).path.strip("/").split("/")
    if names and names[0] in _NAMESPACES:
        version, names = f"{version}/{names[0]}", names[1:]
    named = [name if place % 2 == 0 else "{id}" for place, name in enumerate(names)]
    return "/".join(["", version, *named])


def outcome_of(status: int) -> str:
    """The outcome of an answer of Stripe's API."""
    if status < 400:
        return OK
    return _OUTCOMES.get(status) or ("failed" if status >= 500 else "refused")


def record_request(*, url: str, outcome: str, seconds: float) -> None:
    """Count a request. The resource is the first name in the path: ids come after it."""
    match = _RESOURCE.search(url)
    resource = match[1] if match else "other"
    _REQUESTS.labels(resource, outcome).inc()
    _DURATION.labels(resource).observe(seconds)
