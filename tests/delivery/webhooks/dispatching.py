"""A dispatcher with a real sender, and endpoints at receivers of this machine."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from common.standard_webhooks import parse_secret, verify
from delivery.models import (
    CheckState,
    WebhookAttempt,
    WebhookCheck,
    WebhookDelivery,
    WebhookEndpoint,
)
from delivery.sender.process import SenderProcess
from delivery.webhooks import endpoints
from delivery.webhooks.check_cases import CASES
from delivery.webhooks.dispatcher import Dispatcher
from delivery.webhooks.endpoints import EndpointRequest
from events.log import selectors as log
from events.log import sequencer
from events.models import OutboxEvent
from projects.models import Project
from tests.delivery.sender.receivers import ReceivedRequest, Receiver
from tests.waiting import wait_until


@dataclass
class DispatcherClock:
    """The machine's monotonic clock, until a test sets ``seconds``."""

    seconds: float | None = None

    def __call__(self) -> float:
        return time.monotonic() if self.seconds is None else self.seconds


@dataclass
class Dispatching:
    """``at`` is the time that the dispatcher is told; ``move`` lets it pass. ``clock`` is the one
    by which it measures pauses."""

    dispatcher: Dispatcher
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: DispatcherClock = field(default_factory=DispatcherClock)

    @classmethod
    def of(cls, sender: SenderProcess) -> "Dispatching":
        """A new dispatcher that sends with this process."""
        clock = DispatcherClock()
        return cls(Dispatcher(sender, clock=clock), clock=clock)

    def move(self, **delta: float) -> None:
        self.at += timedelta(**delta)

    def tick(self) -> None:
        self.dispatcher.tick(at=self.at, wait=0.01)

    def until(self, holds: Callable[[], bool], what: Callable[[], str] | str = "") -> None:
        """Tick until it holds."""

        def tick_and_look() -> bool:
            self.tick()
            return holds()

        wait_until(tick_and_look, what)

    def settle(self) -> None:
        """Tick until nothing is left to do at this time."""
        for _ in range(3):
            lanes = self.dispatcher.lanes
            lanes.claim_at = lanes.check_at = lanes.heads_at = 0.0
            for lane in lanes:
                lane.load_at = self.at
            self.tick()
            self.until(lambda: self.dispatcher.is_idle)


def endpoint_at(
    receiver: Receiver | str, project: Project, **values: Any
) -> tuple[WebhookEndpoint, bytes]:
    """A new endpoint of the project, and its signing key."""
    url = receiver if isinstance(receiver, str) else receiver.url()
    request = EndpointRequest(url=url, **{"rate": 100, **values})
    row, secret = endpoints.create(
        project=project, request=request, actor="test", at=datetime.now(UTC)
    )
    sequencer.run()
    # The events about the endpoint itself are not what the tests are about.
    WebhookEndpoint.objects.for_project(project).filter(pk=row.pk).update(position=head(project))
    row.refresh_from_db()
    return row, parse_secret(secret)


def head(project: Project) -> int:
    return log.heads([project.pk]).get(project.pk, 0)


def header(request: ReceivedRequest, name: str) -> str:
    return {key.lower(): value for key, value in request.headers}.get(name, "")


def check_signature(request: ReceivedRequest, key: bytes, *, at: datetime) -> None:
    headers: Mapping[str, str] = dict(request.headers)
    verify([key], headers, request.body, now=at)


def deliveries(row: WebhookEndpoint) -> list[WebhookDelivery]:
    rows = WebhookDelivery.objects.for_project(row.project_id).filter(endpoint=row)
    return list(rows.order_by("pk"))


def states(row: WebhookEndpoint) -> list[tuple[str, int]]:
    """State and attempts of each delivery, oldest first."""
    return [(each.state, each.attempts) for each in deliveries(row)]


def attempts(row: WebhookEndpoint) -> list[WebhookAttempt]:
    rows = WebhookAttempt.objects.for_project(row.project_id).filter(endpoint_id=row.pk)
    return list(rows.order_by("pk"))


def complete_check(row: WebhookEndpoint) -> None:
    """Complete the planned check: the endpoint accepts what is signed with another key."""
    results = [
        {
            "case": case.name,
            "expected": case.expected,
            "passed": case.name != "wrong_key",
            "status": 200 if case.must_accept or case.name == "wrong_key" else 401,
            "fault": "",
            "milliseconds": 12,
        }
        for case in CASES
    ]
    WebhookCheck.objects.for_project(row.project_id).filter(endpoint=row).update(
        state=CheckState.COMPLETED, results=results, grade="F", finished_at=datetime.now(UTC)
    )


def recorded_types(project: Project) -> list[str]:
    """The types of the project's events, oldest first."""
    rows = OutboxEvent.objects.for_project(project).order_by("pk")
    return list(rows.values_list("type", flat=True))
