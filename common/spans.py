"""Spans: what is done for a request or for a Stripe object, and how long it takes.

Nothing is measured, and no library is loaded, unless an installation exports traces
(``OTEL_EXPORTER_OTLP_ENDPOINT``; ``config.tracing`` is the tracer then). Whether a trace is
recorded is decided where it begins: by the caller's ``traceparent``, otherwise by chance.
"""

import atexit
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

from common import traces
from common.traces import TraceParent

Value = str | int | bool
Attributes = Mapping[str, Value]
"""Ids, routes and statuses by their names in OpenTelemetry's conventions. Never a key, an address
of a person or an amount."""


class SpanKind(Enum):
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    INTERNAL = "internal"


class TraceSpan(Protocol):
    """A span that is open. ``parent`` is what its children have as theirs."""

    @property
    def parent(self) -> TraceParent: ...

    def rename(self, name: str) -> None: ...

    def set(self, attributes: Attributes) -> None: ...

    def fail(self, error: str) -> None:
        """The work has failed: the class of the error or the status of the answer."""

    def drop(self) -> None:
        """Do not record it."""

    def end(self) -> None:
        """Record it, unless it was dropped."""


class Tracer(Protocol):
    """Records spans."""

    def start(
        self,
        name: str,
        kind: SpanKind,
        *,
        parent: TraceParent | None,
        attributes: Attributes,
        seconds_ago: float,
    ) -> TraceSpan: ...

    def flush(self) -> None:
        """Send what is recorded."""

    def close(self) -> None:
        """Send what is recorded, and end."""


class _Spans:
    """What this process was told about traces, and its tracer, which the first span opens."""

    open_tracer: Callable[[], Tracer] | None = None
    ratio = 0.0
    tracer: Tracer | None = None
    lock = threading.Lock()


def export(open_tracer: Callable[[], Tracer] | None, *, ratio: float = 0.0) -> None:
    """Record spans with this tracer. ``ratio`` is the part of the traces recorded that no caller
    has begun. None: record nothing. The tracer before it is closed."""
    before = _Spans.tracer
    _Spans.open_tracer, _Spans.ratio, _Spans.tracer = open_tracer, ratio, None
    if before is not None:
        before.close()


def are_exported() -> bool:
    """Whether this installation records spans."""
    return _Spans.open_tracer is not None


def flush() -> None:
    """Send what is recorded, before the process ends."""
    if _Spans.tracer is not None:
        _Spans.tracer.flush()


def start(
    name: str,
    kind: SpanKind,
    *,
    parent: TraceParent | None,
    begins_trace: bool = False,
    attributes: Attributes | None = None,
    seconds_ago: float = 0.0,
) -> TraceSpan | None:
    """Open a span below ``parent``. Without one, it may begin a trace if ``begins_trace``. None if
    the trace is not recorded."""
    if _Spans.open_tracer is None or not _is_recorded(parent, begins_trace):
        return None
    return _tracer(_Spans.open_tracer).start(
        name, kind, parent=parent, attributes=attributes or {}, seconds_ago=seconds_ago
    )


@contextmanager
def span(
    name: str,
    kind: SpanKind,
    *,
    begins_trace: bool = False,
    attributes: Attributes | None = None,
) -> Iterator[TraceSpan | None]:
    """A span of what is done inside, below the current one. None if the trace is not recorded."""
    opened = start(
        name,
        kind,
        parent=traces.current(),
        begins_trace=begins_trace,
        attributes=attributes,
    )
    if opened is None:
        yield None
        return
    try:
        with traces.inside(opened.parent):
            yield opened
    except BaseException as error:
        opened.fail(type(error).__name__)
        raise
    finally:
        opened.end()


def _is_recorded(parent: TraceParent | None, begins_trace: bool) -> bool:
    if parent is not None:
        return parent.is_sampled
    return begins_trace and random.random() < _Spans.ratio  # noqa: S311  # no secret


def _tracer(open_tracer: Callable[[], Tracer]) -> Tracer:
    if _Spans.tracer is None:
        with _Spans.lock:
            if _Spans.tracer is None:
                _Spans.tracer = open_tracer()
                atexit.register(flush)
    return _Spans.tracer


def _after_fork() -> None:
    """The thread that sends spans is the parent's: the child opens a tracer of its own."""
    _Spans.tracer, _Spans.lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
