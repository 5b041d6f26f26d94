"""Ids of the current request or task, for log lines, audit entries and events."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog
from django.db import models

from common import traces
from common.ids import new_id

request_id: ContextVar[str] = ContextVar("request_id", default="")
tenant_id: ContextVar[str] = ContextVar("tenant_id", default="")
"""Id of the project whose key or user sends the current request; empty elsewhere."""
request_key: ContextVar["RequestKey | None"] = ContextVar("request_key", default=None)
"""The ``Idempotency-Key`` of the current request, if it has one."""


deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""When the caller stops waiting, as :func:`time.monotonic` counts; None if it has not said."""


@contextmanager
def due_by(moment: float | None) -> Iterator[None]:
    """The caller waits for what runs inside until this time of :func:`time.monotonic`."""
    token = deadline.set(moment)
    try:
        yield
    finally:
        deadline.reset(token)


def seconds_left() -> float | None:
    """For how long the caller still waits, at least 0; None if it has not said."""
    moment = deadline.get()
    return None if moment is None else max(moment - time.monotonic(), 0.0)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Identifies a request and its retries. ``is_retry``: an earlier try may have done part of the
    work."""

    value: str
    is_retry: bool


class CauseType(models.TextChoices):
    STRIPE_EVENT = "stripe_event", "An event from Stripe"
    API_REQUEST = "api_request", "A request to the API"
    OPERATOR = "operator", "An operator in the console"
    CLOCK = "clock", "A periodic task"
    COMMAND = "command", "A management command"


@dataclass(frozen=True, slots=True)
class Cause:
    """What causes the current changes. ``id`` is the Stripe event's id, the request's id, the
    operator's user name, or the name of the task or command."""

    type: CauseType
    id: str


cause: ContextVar[Cause | None] = ContextVar("cause", default=None)


@contextmanager
def caused_by(type_: CauseType, cause_id: str) -> Iterator[None]:
    """Changes inside have this cause."""
    token = cause.set(Cause(type_, cause_id))
    try:
        yield
    finally:
        cause.reset(token)


_ACCEPTABLE = re.compile(r"[A-Za-z0-9._\-]{1,64}")


def choose(offered: str = "") -> str:
    """The offered id if it is safe to log, otherwise a new one."""
    return offered if offered and _ACCEPTABLE.fullmatch(offered) else new_id("req")


def begin_tenant(project_id: str) -> None:
    """The current request is of this project, whose key or token is valid."""
    structlog.contextvars.bind_contextvars(project_id=project_id)
    tenant_id.set(project_id)


def begin_command(name: str) -> None:
    """Start a management command, which causes what it changes."""
    cause.set(Cause(CauseType.COMMAND, name))


def begin(offered: str = "", traceparent: str | None = None) -> str:
    """Start a request or task with the offered id if it is safe to log, otherwise with a new
    one, in the trace of its caller."""
    chosen = choose(offered)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=chosen)
    traces.begin(traceparent)
    request_id.set(chosen)
    tenant_id.set("")
    cause.set(Cause(CauseType.API_REQUEST, chosen))
    return chosen
