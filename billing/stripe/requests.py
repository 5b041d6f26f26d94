"""What Stripe's last answer told besides its content: the id of the request, and the time.

By the id, Stripe's support finds a request. The time matters in test mode: there the clock that
judges ``expires_at`` may have been moved forward, while ours has not.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SKEW = timedelta(minutes=5)
"""Clocks that differ by less count as the same."""

_last_id: ContextVar[str] = ContextVar("stripe_request_id", default="")
_ahead = timedelta()


def last_id() -> str:
    """The id of the last request of this thread; empty when it had no answer, or one without."""
    return _last_id.get()


def clock_ahead() -> timedelta:
    """How far Stripe's clock was ahead of ours when this process had its last answer."""
    return _ahead


def forget() -> None:
    """A request is on its way: the last answer is another's."""
    _last_id.set("")


def note(headers: Mapping[str, str]) -> None:
    """Remember what the headers of an answer tell."""
    global _ahead
    _last_id.set(str(headers.get("request-id") or ""))
    told = _time_of(str(headers.get("date") or ""))
    if told is not None:
        ahead = told - datetime.now(tz=UTC)
        _ahead = ahead if abs(ahead) > SKEW else timedelta()


def _time_of(date: str) -> datetime | None:
    try:
        told = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    return told if told.tzinfo else None
