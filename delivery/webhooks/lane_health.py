"""What results say about lanes: pauses, warnings, the end of an endpoint, its recovery."""

from collections.abc import Callable
from datetime import datetime, timedelta

from delivery.models import DeliveryKind, DisabledReason
from delivery.webhooks import health
from delivery.webhooks.lanes import DeliveryLane
from delivery.webhooks.results import SentAttempt
from delivery.webhooks.verdicts import Judgement, Verdict


class LaneHealth:
    """Counts results in memory. ``changed`` are the lanes whose health is not stored yet; changes
    that are events are recorded by :meth:`record`, after the results are stored."""

    def __init__(self) -> None:
        self.changed: dict[str, DeliveryLane] = {}
        self._notices: list[Callable[[datetime], None]] = []

    def count(
        self, attempt: SentAttempt, judgement: Judgement, *, at: datetime, now: float
    ) -> None:
        """Count a result for the breaker and, if the event just happened, for the health."""
        lane = attempt.lane
        match judgement.verdict:
            case Verdict.DELIVERED:
                self._succeed(lane, at, now)
                return
            case Verdict.LOST | Verdict.HOPELESS:
                return
            case Verdict.FAILED | Verdict.FORBIDDEN:
                is_open = lane.breaker.fail(at=at, at_least=judgement.pause or timedelta())
            case _:
                is_open = lane.breaker.refuse(at=at)
        lane.last_problem = judgement.sentence
        self.changed[lane.id] = lane
        if is_open:
            lane.drop_waiting()
        if attempt.delivery.kind == DeliveryKind.LIVE:
            self._weaken(lane, judgement, at)

    def forget_changes(self) -> None:
        """Everything in ``changed`` is stored."""
        for lane in self.changed.values():
            lane.has_succeeded = False
        self.changed.clear()

    def record(self, *, at: datetime) -> None:
        """Record the events. Raises Django's database errors; what is not recorded stays."""
        while self._notices:
            self._notices[0](at)
            self._notices.pop(0)

    def _succeed(self, lane: DeliveryLane, at: datetime, now: float) -> None:
        if lane.breaker.is_probing:
            lane.pace.restart(now)
            lane.load_at = at
        lane.breaker.succeed()
        lane.failing_since, lane.has_succeeded, lane.last_problem = None, True, ""
        self.changed[lane.id] = lane
        if lane.warnings:
            lane.warnings = 0
            self._notice(health.recover, lane)

    def _weaken(self, lane: DeliveryLane, judgement: Judgement, at: datetime) -> None:
        """Warn or disable the endpoint if it has failed for long or for good."""
        lane.failing_since = lane.failing_since or at
        warnings = health.warnings_due(lane.failing_since, at=at)
        if judgement.verdict is Verdict.GONE:
            self._notice(health.disable, lane, reason=DisabledReason.GONE)
        elif judgement.verdict is Verdict.FORBIDDEN:
            self._notice(health.refuse_address, lane)
        elif at - lane.failing_since >= health.DISABLE_AFTER:
            self._notice(health.disable, lane, reason=DisabledReason.FAILING)
        elif warnings > lane.warnings:
            lane.warnings = warnings
            self._notice(health.warn, lane, warnings=warnings)

    def _notice(self, record: Callable[..., None], lane: DeliveryLane, **values: object) -> None:
        """Record this later, unless the endpoint has other settings by now."""
        if lane.is_lost:
            return
        endpoint = lane.endpoint
        self._notices.append(
            lambda at: record(
                endpoint_id=endpoint.id, project_id=endpoint.project_id, at=at, **values
            )
        )
