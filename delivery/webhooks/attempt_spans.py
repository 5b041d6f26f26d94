"""The span of an attempt to deliver a webhook, below the trace in which the event was recorded."""

from common import traces
from common.spans import SpanKind, TraceSpan, start
from delivery.webhooks.lanes import DueDelivery, LaneEndpoint
from delivery.webhooks.messages import LoadedEvent
from delivery.webhooks.results import FinishedAttempt
from delivery.webhooks.verdicts import Verdict


def begin(event: LoadedEvent, *, endpoint: LaneEndpoint, delivery: DueDelivery) -> TraceSpan | None:
    """Open the span of a request to a receiver; None if the trace is not recorded. The address may
    contain a token: the endpoint's id stands for it."""
    return start(
        f"webhook {delivery.event_type}",
        SpanKind.PRODUCER,
        parent=traces.parse(event.traceparent),
        begins_trace=True,
        attributes={
            "http.request.method": "POST",
            "tollgate.project_id": endpoint.project_id,
            "tollgate.endpoint_id": endpoint.id,
            "tollgate.delivery_id": delivery.id,
            "tollgate.event_id": delivery.event_id,
            "tollgate.attempt": delivery.attempts + 1,
        },
    )


def traceparent_of(event: LoadedEvent, span: TraceSpan | None) -> str:
    """The header of the request: its span, or else the event's trace as it is."""
    return str(span.parent) if span is not None else event.traceparent


def finish(finished: FinishedAttempt) -> None:
    """Record how the attempt has ended."""
    span, result = finished.attempt.span, finished.result
    if span is None:
        return
    verdict = finished.judgement.verdict
    span.set({"tollgate.verdict": verdict.name.lower()})
    if result.status is not None:
        span.set({"http.response.status_code": result.status})
    if verdict is not Verdict.DELIVERED:
        span.fail(result.fault.value if result.fault else str(result.status))
    span.end()
