"""Ids of the current request or task, for log lines and audit entries."""

import re
from contextvars import ContextVar
from dataclasses import dataclass

import structlog

from common.ids import new_id

request_id: ContextVar[str] = ContextVar("request_id", default="")
request_key: ContextVar["RequestKey | None"] = ContextVar("request_key", default=None)
"""The ``Idempotency-Key`` of the current request, if it has one."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Identifies a request and its retries. ``is_retry``: an earlier try may have done part of the
    work."""

    value: str
    is_retry: bool


_ACCEPTABLE = re.compile(r"[A-Za-z0-9._\-]{1,64}")


def choose(offered: str = "") -> str:
    """The offered id if it is safe to log, otherwise a new one."""
    return offered if offered and _ACCEPTABLE.fullmatch(offered) else new_id("req")


def begin(offered: str = "") -> str:
    """Start a request or task with the offered id if it is safe to log, otherwise with a new
    one."""
    chosen = choose(offered)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=chosen)
    request_id.set(chosen)
    return chosen
