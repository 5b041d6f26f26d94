"""Who and what the current request or task is about; goes into every log line and audit entry."""

import re
from contextvars import ContextVar

import structlog

from common.ids import new_id

request_id: ContextVar[str] = ContextVar("request_id", default="")

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
