"""Spans by OpenTelemetry, sent to a collector with OTLP over HTTP.

Imported only where traces are exported. Whether a trace is recorded has been decided before a span
comes here (:mod:`common.spans`), so that one which is not costs nothing.
"""

import threading
import time
from collections.abc import Callable, Mapping

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OpenTelemetrySpan
from opentelemetry.trace import SpanKind as OpenTelemetryKind

from common.conf import TracingSettings
from common.logs import redact
from common.spans import Attributes, SpanKind, Value
from common.traces import TraceParent

TRACES = "/v1/traces"
"""The path of traces below OTEL_EXPORTER_OTLP_ENDPOINT."""
SEND_SECONDS = 5.0
"""Time for one batch, with its retries; what the collector does not take is dropped."""
BATCH_MILLISECONDS = 1000.0
"""Between two batches: what a killed process takes with it."""
FLUSH_SECONDS = 3.0
"""For which the end of a process waits for the collector."""
_KINDS = {
    SpanKind.SERVER: OpenTelemetryKind.SERVER,
    SpanKind.CLIENT: OpenTelemetryKind.CLIENT,
    SpanKind.PRODUCER: OpenTelemetryKind.PRODUCER,
    SpanKind.INTERNAL: OpenTelemetryKind.INTERNAL,
}


class OtlpSpan:
    """An open span."""

    def __init__(self, span: OpenTelemetrySpan) -> None:
        self._span = span
        self._is_dropped = False
        context = span.get_span_context()
        self.parent = TraceParent(
            f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags)
        )

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(_redacted(attributes))

    def fail(self, error: str) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR))

    def drop(self) -> None:
        self._is_dropped = True

    def end(self) -> None:
        if not self._is_dropped:  # a span without an end is not sent
            self._span.end()


class OtlpTracer:
    """Sends spans in batches, in a thread of its own."""

    def __init__(self, options: TracingSettings, *, version: str) -> None:
        resource = Resource.create(
            {"service.name": options.service, "service.version": version},
        )
        exporter = OTLPSpanExporter(
            endpoint=options.endpoint + TRACES, headers=options.headers, timeout=SEND_SECONDS
        )
        # Its own end at exit would wait for a collector that is away, batch by batch.
        self._provider = TracerProvider(
            resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=BATCH_MILLISECONDS)
        )
        self._tracer = self._provider.get_tracer("tollgate", version)

    def start(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: TraceParent | None,
        attributes: Attributes,
        seconds_ago: float,
    ) -> OtlpSpan:
        """Open a span."""
        begin = time.time_ns() - int(seconds_ago * 1e9) if seconds_ago else None
        return OtlpSpan(
            self._tracer.start_span(
                name,
                context=set_span_in_context(_remote(parent)) if parent else None,
                kind=_KINDS[kind],
                attributes=_redacted(attributes),
                start_time=begin,
            )
        )

    def flush(self) -> None:
        """Send what is recorded; gives up after FLUSH_SECONDS."""
        _wait_for(self._provider.force_flush)

    def close(self) -> None:
        """Send what is recorded, and end; gives up after FLUSH_SECONDS."""
        _wait_for(self._provider.shutdown)


def _wait_for(call: Callable[[], object]) -> None:
    """Wait FLUSH_SECONDS at most: the library's own limits are not kept by all that it calls."""
    calling = threading.Thread(target=call, daemon=True)
    calling.start()
    calling.join(FLUSH_SECONDS)


def open_tracer() -> OtlpTracer:
    """The tracer of this process."""
    return OtlpTracer(settings.TRACING, version=settings.VERSION)


def _remote(parent: TraceParent) -> OpenTelemetrySpan:
    context = SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(parent.flags),
    )
    return NonRecordingSpan(context)


def _redacted(attributes: Attributes) -> Mapping[str, Value]:
    return {name: redact(value) for name, value in attributes.items()}
