"""Conformance checks: asked for by people, made by the dispatcher one request after the other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from common import ids
from common.errors import NotFound
from common.standard_webhooks import parse_secret
from delivery.errors import CheckRunning
from delivery.models import CheckState, WebhookCheck, WebhookEndpoint
from delivery.sender.messages import SendJob, SendResult
from delivery.webhooks import check_cases, endpoint_events, messages
from delivery.webhooks.check_cases import CASES, CheckRequest
from delivery.webhooks.lanes import LaneEndpoint
from delivery.webhooks.messages import EventBodies
from delivery.webhooks.representation import CheckCaseBody
from delivery.webhooks.selectors import checks, endpoints
from events.audit import audit_trail as audit
from events.catalog import EventType

LEASE = timedelta(minutes=5)
"""Longer than all requests of a check may take."""
PAUSE = timedelta(seconds=10)
"""Between two checks of an endpoint: its URL may be somebody else's."""
AT_ONCE = 16
"""Checks that one dispatcher makes at the same time."""


def plan(*, endpoint: WebhookEndpoint, actor: str, at: datetime, reason: str = "") -> WebhookCheck:
    """Let the endpoint be checked, whether it is enabled or not. Raises NotFound and
    CheckRunning."""
    with transaction.atomic():
        row = endpoints.lock(project_id=endpoint.project_id, endpoint_id=endpoint.pk)
        if row is None:
            raise NotFound
        if checks.is_busy(row, since=at - PAUSE):
            raise CheckRunning
        event = endpoint_events.record(EventType.WEBHOOK_ENDPOINT_TESTED, row, at=at)
        check = WebhookCheck(
            project_id=row.project_id, endpoint=row, event_id=event.pk, created_at=at
        )
        check.save(force_insert=True)
        audit.record(
            actor=actor,
            action="webhook_endpoint.checked",
            subject=row.pk,
            project_id=row.project_id,
            reason=reason,
            after={"check": check.pk},
            at=at,
        )
    return check


@dataclass(slots=True)
class RunningCheck:
    """A check that this process makes."""

    row: WebhookCheck
    endpoint: LaneEndpoint
    results: list[CheckCaseBody] = field(default_factory=list)
    is_in_flight: bool = False


class CheckRuns:
    """All checks of a dispatcher. ``send`` hands a job to the sender."""

    def __init__(self, bodies: EventBodies) -> None:
        self._bodies = bodies
        self._runs: dict[str, RunningCheck] = {}
        self._jobs: dict[str, RunningCheck] = {}

    @property
    def has_in_flight(self) -> bool:
        return bool(self._jobs)

    def start_due(self, *, at: datetime) -> None:
        """Take planned checks, and those of processes that have died."""
        if len(self._runs) < AT_ONCE:
            for row in _claim(AT_ONCE - len(self._runs)):
                endpoint = _endpoint(row, at)
                if endpoint is None:
                    _complete(row, [], at)
                else:
                    self._runs[row.pk] = RunningCheck(row, endpoint)

    def send_next(self, send: Callable[[SendJob], None], *, at: datetime) -> None:
        """Send the next request of each check whose last one was answered."""
        waiting = [run for run in self._runs.values() if not run.is_in_flight]
        if waiting:
            self._bodies.load(run.row.event_id for run in waiting)
        for run in waiting:
            event = self._bodies.find(run.row.event_id, project_id=run.endpoint.project_id)
            if event is None:  # so new that it has no position yet
                continue
            case = CASES[len(run.results)]
            request = CheckRequest(run.endpoint.keys, run.row.event_id, event.body, at)
            headers, body = case.build(request)
            job_id = ids.new_id("wck")
            run.is_in_flight = True
            self._jobs[job_id] = run
            send(
                messages.make_job(
                    run.endpoint,
                    attempt_id=job_id,
                    headers={
                        **run.endpoint.headers,
                        "content-type": "application/json",
                        **headers,
                    },
                    body=body,
                )
            )

    def take(self, result: SendResult, *, at: datetime) -> bool:
        """Note a result; False if it is of no check. Completes the check with its last one. Raises
        Django's database errors: then the check is begun anew, later."""
        run = self._jobs.pop(result.job_id, None)
        if run is None:
            return False
        run.is_in_flight = False
        case = CASES[len(run.results)]
        run.results.append(
            {
                "case": case.name,
                "expected": case.expected,
                "passed": case.passes(result.status),
                "status": result.status,
                "fault": result.fault.value if result.fault else "",
                "milliseconds": None if result.phases.total is None else round(result.phases.total),
            }
        )
        if len(run.results) == len(CASES):
            del self._runs[run.row.pk]
            _complete(run.row, run.results, at)
        return True


def _claim(limit: int) -> list[WebhookCheck]:
    with transaction.atomic():
        rows = checks.lock_open(limit)
        WebhookCheck.objects.across_projects().filter(pk__in=[row.pk for row in rows]).update(
            state=CheckState.RUNNING, leased_until=Now() + LEASE
        )
    return rows


def _endpoint(row: WebhookCheck, at: datetime) -> LaneEndpoint | None:
    """Where the requests go, with the secrets of now; None if the endpoint is deleted."""
    endpoint = endpoints.of(row.project_id).filter(pk=row.endpoint_id).first()
    if endpoint is None:
        return None
    secrets = endpoints.live_secrets([endpoint.pk], at=at).get(endpoint.pk, [])
    return messages.plain_endpoint(endpoint, keys=[parse_secret(each.open()) for each in secrets])


def _complete(row: WebhookCheck, results: list[CheckCaseBody], at: datetime) -> None:
    rows = WebhookCheck.objects.for_project(row.project_id).filter(
        Q(state=CheckState.RUNNING), pk=row.pk
    )
    rows.update(
        state=CheckState.COMPLETED,
        results=results,
        grade=check_cases.grade(results) if results else "",
        finished_at=at,
    )
