"""The span of a request: named after its route, with its status and ids, never with its address."""

from common import context, traces
from common.request_metrics import METHODS
from common.spans import SpanKind, TraceSpan, start


def finish(span: TraceSpan | None, *, method: str, route: str, status: int) -> None:
    """Name the span of a request after its route, and record its status."""
    if span is None:
        return
    method = method if method in METHODS else "_OTHER"
    span.rename(f"{method} {route}")
    span.set(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "tollgate.request_id": context.request_id.get(),
            "tollgate.project_id": context.tenant_id.get(),
        }
    )
    if status >= 500:
        span.fail(str(status))


def record_cached_check(*, traceparent: str, route: str, seconds: float) -> None:
    """Record a check that the event loop has answered from its cache, if its caller records the
    trace. No check begins one: a span would cost more than the answer."""
    parent = traces.parse(traceparent)
    if parent is None:
        return
    span = start(f"GET {route}", SpanKind.SERVER, parent=parent, seconds_ago=seconds)
    if span is not None:
        span.set(
            {
                "http.request.method": "GET",
                "http.route": route,
                "http.response.status_code": 200,
            }
        )
        span.end()
