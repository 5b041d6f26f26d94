"""Headers of Stripe's last answer: the id of the request, and Stripe's time.

Stripe's support finds a request by its id. The time matters in test mode: the test clock that
decides about ``expires_at`` may be ahead of ours.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SKEW = timedelta(minutes=5)
"""Clocks that differ by less count as equal."""

_last_id: ContextVar[str] = ContextVar("stripe_request_id", default="")
_ahead = timedelta()


def last_id() -> str:
    """Id of this thread's last request; empty if it had no answer, or an answer without one."""
    return _last_id.get()


def clock_ahead() -> timedelta:
    """How far Stripe's clock was ahead of ours at this process's last answer."""
    return _ahead


def forget_last() -> None:
    """Drop the id of the last answer, because a new request is sent."""
    _last_id.set("")


def record_headers(headers: Mapping[str, str]) -> None:
    """Remember request id and time of an answer."""
    global _ahead
    _last_id.set(str(headers.get("request-id") or ""))
    stripe_time = _time_of(str(headers.get("date") or ""))
    if stripe_time is not None:
        ahead = stripe_time - datetime.now(tz=UTC)
        _ahead = ahead if abs(ahead) > SKEW else timedelta()


def _time_of(date: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return parsed if parsed.tzinfo else None
