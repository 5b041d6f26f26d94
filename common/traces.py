"""The trace that the current work belongs to, as its caller named it (W3C Trace Context).

A caller's ``traceparent`` goes through log lines, stored events, the sync queue and outgoing
webhooks, also without any library for traces. Spans (:mod:`common.spans`) continue it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog

HEADER = "traceparent"
LONGEST = 512
"""Characters of a header that are looked at; a later version of the standard may add some to 55."""
SAMPLED, KNOWN_FLAGS = 0x01, 0x03
_HEADER = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})"
    r"-(?!0{16})(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A span of a trace, whose children the current work and its calls are."""

    trace_id: str
    span_id: str
    flags: int

    @property
    def is_sampled(self) -> bool:
        """Whether the trace is recorded."""
        return bool(self.flags & SAMPLED)

    def __str__(self) -> str:
        """The header."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


_current: ContextVar[TraceParent | None] = ContextVar("trace", default=None)


def parse(header: str) -> TraceParent | None:
    """The parent in a header; None for a malformed one, which the standard says to ignore."""
    match = _HEADER.fullmatch(header) if len(header) <= LONGEST else None
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    return TraceParent(match["trace"], match["span"], int(match["flags"], 16) & KNOWN_FLAGS)


def current() -> TraceParent | None:
    """The parent of what is done now; None without a trace."""
    return _current.get()


def current_header() -> str:
    """The parent of what is done now as a header, to be stored or sent; empty without a trace."""
    parent = _current.get()
    return "" if parent is None else str(parent)


def begin(header: str | None) -> None:
    """Begin a request, whose log lines have no field of an earlier one, in its caller's trace."""
    parent = parse(header) if header else None
    _current.set(parent)
    if parent is not None:
        structlog.contextvars.bind_contextvars(trace_id=parent.trace_id)


@contextmanager
def inside(parent: TraceParent) -> Iterator[None]:
    """What is done inside has this parent."""
    token = _current.set(parent)
    try:
        with structlog.contextvars.bound_contextvars(trace_id=parent.trace_id):
            yield
    finally:
        _current.reset(token)


@contextmanager
def continued(header: str) -> Iterator[None]:
    """What is done inside continues a stored trace, unless it belongs to one already."""
    parent = None if _current.get() is not None else parse(header)
    if parent is None:
        yield
    else:
        with inside(parent):
            yield
