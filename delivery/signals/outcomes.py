"""A signal on its way to Temporal, and what became of it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowMessage:
    """One request to Temporal. The same ``request_id`` signals the workflow once, however often it
    is sent. ``traceparent``: the trace of the event; empty without one."""

    request_id: str
    project_id: str
    namespace: str
    workflow_id: str
    signal: str
    argument: dict[str, Any]
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Signaled:
    """The workflow has the signal."""


@dataclass(frozen=True, slots=True)
class SignalRefused:
    """The workflow is gone, or will never take this signal."""

    reason: str


@dataclass(frozen=True, slots=True)
class SignalFailed:
    """This signal failed; another one may work."""

    reason: str


@dataclass(frozen=True, slots=True)
class NamespaceDown:
    """The server or the namespace takes nothing now: all signals of the project wait."""

    reason: str


SignalOutcome = Signaled | SignalRefused | SignalFailed | NamespaceDown


class NamespaceDownError(Exception):
    """A project's namespace takes no signals now. ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
