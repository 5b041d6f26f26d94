"""Planned faults: matching requests fail in a chosen way."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from sandbox.errors import StripeFailure
from sandbox.malformed_responses import Malformation
from sandbox.rate_limit import too_many_requests_error


class FaultKind(StrEnum):
    RATE_LIMIT = "rate_limit"
    LOCK_TIMEOUT = "lock_timeout"
    KEY_IN_USE = "key_in_use"
    NO_PERMISSION = "no_permission"
    """403 as for a restricted key without the permission; the request has no effect."""
    ERROR_BEFORE = "error_before"
    """500 without effect; saved under the idempotency key."""
    ERROR_AFTER = "error_after"
    """500 after the effect; saved under the idempotency key."""
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    SLOW = "slow"
    """The correct response, ``seconds`` late."""
    MALFORMED_BEFORE = "malformed_before"
    """A malformed response; the request has no effect. See ``malformed_responses``."""
    MALFORMED_AFTER = "malformed_after"
    """A malformed response after the effect. See ``malformed_responses``."""
    STALE_LIST = "stale_list"
    """A list without the objects created in the last ``seconds``."""

    @property
    def after_effect(self) -> bool:
        return self in (
            self.ERROR_AFTER,
            self.TIMEOUT_AFTER,
            self.RESET_AFTER,
            self.MALFORMED_AFTER,
        )

    @property
    def disconnects(self) -> bool:
        return self.is_timeout or self in (self.RESET_BEFORE, self.RESET_AFTER)

    @property
    def is_timeout(self) -> bool:
        return self in (self.TIMEOUT_BEFORE, self.TIMEOUT_AFTER)


DEFAULT_SECONDS = {FaultKind.STALE_LIST: 60.0, FaultKind.SLOW: 2.0}
HOLD_SECONDS = 60.0
"""Default seconds for which a timeout holds an HTTP connection open."""


@dataclass
class Fault:
    kind: FaultKind
    method: str = "*"
    path: str = "*"
    times: int = 1
    skip: int = 0
    seconds: float = HOLD_SECONDS
    malformation: Malformation = field(default_factory=Malformation)

    def matches(self, method: str, path: str) -> bool:
        return (
            self.times > 0
            and fnmatchcase(method, self.method.upper())
            and fnmatchcase(path, self.path)
        )


class FaultPlan:
    """Planned faults, in the order in which they were added. The first match is used."""

    def __init__(self) -> None:
        self._plan: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        kind: str,
        *,
        method: str = "*",
        path: str = "*",
        times: int = 1,
        skip: int = 0,
        seconds: float | None = None,
        **malformation: Any,
    ) -> Fault:
        """Fail the next ``times`` requests that match, after letting ``skip`` of them pass.

        ``method`` and ``path`` are shell patterns (``POST``, ``/v1/customers/*``). ``malformation``
        has the fields of :class:`sandbox.malformed_responses.Malformation`. Raises ``ValueError``
        for an unknown kind.
        """
        fault_kind = FaultKind(kind)
        fault_seconds = (
            DEFAULT_SECONDS.get(fault_kind, HOLD_SECONDS) if seconds is None else seconds
        )
        fault = Fault(
            fault_kind, method, path, times, skip, fault_seconds, Malformation(**malformation)
        )
        with self._lock:
            self._plan.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, if any; counts as used."""
        with self._lock:
            for fault in self._plan:
                if not fault.matches(method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                self._plan = [planned for planned in self._plan if planned.times > 0]
                return fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._plan.clear()

    def describe(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._plan]


def fault_error(fault: Fault) -> StripeFailure | None:
    """The error of a fault that refuses the request; None for other faults."""
    match fault.kind:
        case FaultKind.RATE_LIMIT:
            return too_many_requests_error()
        case FaultKind.LOCK_TIMEOUT:
            return StripeFailure(
                "This object cannot be accessed right now because another API request or Stripe "
                "process is currently accessing it. If you see this error intermittently, retry "
                "the request.",
                status=429,
                code="lock_timeout",
                should_retry=True,
            )
        case FaultKind.KEY_IN_USE:
            return key_in_use_error()
        case FaultKind.NO_PERMISSION:
            return StripeFailure(
                "The provided key 'rk_test_*********' does not have the required permissions for "
                "this endpoint. Having the 'rak_example_read' permission would allow this request "
                "to continue.",
                status=403,
            )
    return None


def key_in_use_error() -> StripeFailure:
    return StripeFailure(
        "There is currently another in-progress request using this Idempotent Key (that probably "
        "means you submitted twice, and the other request is still going through). Please try "
        "again later.",
        status=409,
        error_type="idempotency_error",
        code="idempotency_key_in_use",
    )
