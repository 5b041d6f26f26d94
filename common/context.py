"""Who and what the current request or task is about; goes into every log line and audit entry."""

import re
from contextvars import ContextVar
from dataclasses import dataclass

import structlog

from common.ids import new_id

request_id: ContextVar[str] = ContextVar("request_id", default="")
request_key: ContextVar["RequestKey | None"] = ContextVar("request_key", default=None)
"""The ``Idempotency-Key`` under which the current request is carried out, if it has one."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Names a request and all its retries. ``is_retry``: an earlier try may have done a part."""

    value: str
    is_retry: bool


_ACCEPTABLE = re.compile(r"[A-Za-z0-9._\-]{1,64}")


def choose(offered: str = "") -> str:
    """The offered id when it is harmless, else a new one."""
    return offered if offered and _ACCEPTABLE.fullmatch(offered) else new_id("req")


def begin(offered: str = "") -> str:
    """Start a unit of work under the offered id when it is harmless, else under a new one."""
    chosen = choose(offered)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=chosen)
    request_id.set(chosen)
    return chosen
