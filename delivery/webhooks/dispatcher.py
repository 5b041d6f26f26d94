"""Send deliveries: lease lanes, take what is due and what is new, send it, store the results.

Any number of dispatchers may run; each endpoint is with one of them at a time, so that its rate,
its requests in flight and its order are exact, in memory. The database is the queue: a dispatcher
that dies loses nothing, and its lanes are claimed by others when their leases end. What it had in
flight is then sent again, with the same id.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError

from common import ids
from common.egress_rules import LOOPBACK
from delivery.models import DeliveryKind
from delivery.sender.messages import SendJob, SendResult
from delivery.sender.options import SenderOptions
from delivery.sender.process import SenderProcess
from delivery.webhooks import attempt_metrics, attempt_spans, lane_supply, messages, results
from delivery.webhooks.checks import CheckRuns
from delivery.webhooks.held_lanes import HeldLanes
from delivery.webhooks.lane_health import LaneHealth
from delivery.webhooks.lanes import DeliveryLane, DueDelivery
from delivery.webhooks.messages import EventBodies
from delivery.webhooks.places import Places
from delivery.webhooks.results import FinishedAttempt, SentAttempt
from delivery.webhooks.verdicts import Verdict, judge

log = structlog.get_logger(__name__)

HEAD_SECONDS, CHECKS_SECONDS = 0.05, 1.0
"""Between two looks for new events, and for conformance checks."""
STORE_SECONDS, STORE_SIZE = 0.1, 200
"""Results are stored together, at the latest after so long or when there are so many."""
ORDERED_STORE_SECONDS = 0.01
"""At the latest where the customer's next event waits for the result."""
POSITION_WITHIN = timedelta(minutes=5)
"""An event that is older and has no body is not kept any more; a new one has no position yet."""
AWAY_SECONDS = 1.0
"""Pause after an error of the database."""


def sender_options() -> SenderOptions:
    """What the child may reach: the public internet; in development this machine, too."""
    return SenderOptions(networks=LOOPBACK.networks if settings.EGRESS.loopback else ())


class Dispatcher:
    """One loop. ``clock`` is monotonic, in seconds."""

    def __init__(
        self, sender: SenderProcess, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sender = sender
        self._clock = clock
        self.lanes = HeldLanes()
        self._bodies = EventBodies()
        self._attempts: dict[str, SentAttempt] = {}
        self._finished: list[FinishedAttempt] = []
        self._expired: list[str] = []
        """Deliveries whose events are not kept any more."""
        self._health = LaneHealth()
        self._checks = CheckRuns(self._bodies)
        self._checks_at = 0.0
        self._store_at = self._away_until = 0.0
        self.delivered = 0

    def tick(self, *, at: datetime, wait: float = 0.05) -> None:
        """Collect results, waiting up to ``wait`` seconds for one, and do all else that is due.
        An error of the database is logged, and everything is tried again after a pause."""
        self.collect(at=at, wait=wait)
        if self._clock() < self._away_until:
            return
        try:
            self._work(at)
        except (DatabaseError, InterfaceError) as error:
            self._away_until = self._clock() + AWAY_SECONDS
            log.warning("dispatcher_database_error", error=type(error).__name__)

    def stop(self, *, at: datetime) -> None:
        """Store what is known, and give the lanes back."""
        try:
            self._store(at)
            self.lanes.release_all()
        except (DatabaseError, InterfaceError) as error:
            log.warning("dispatcher_database_error", error=type(error).__name__)

    @property
    def has_in_flight(self) -> bool:
        return bool(self._attempts) or self._checks.has_in_flight

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight or waits in memory."""
        return not (self._attempts or self._finished) and all(lane.is_idle for lane in self.lanes)

    def _work(self, at: datetime) -> None:
        now = self._clock()
        if self._finished or self._health.changed:
            if now >= self._store_at or len(self._finished) >= STORE_SIZE:
                self._store(at)
        else:
            self._store_at = now + STORE_SECONDS
        self.lanes.check(now)
        for lane in self.lanes.claim(at=at, now=now):
            for attempt in self._attempts.values():
                if attempt.lane.id == lane.id:  # in flight since an earlier lease
                    lane.unfinished[attempt.delivery.id] = attempt.delivery
        lane_supply.load(self.lanes, at=at)
        lane_supply.continue_replays(self.lanes, at=at)
        if now >= self.lanes.heads_at:
            taken = lane_supply.take_new_events(self.lanes, at=at)
            self.lanes.heads_at = now if taken else now + HEAD_SECONDS
        self._send(at, now)
        if now >= self._checks_at:
            self._checks_at = now + CHECKS_SECONDS
            self._checks.start_due(at=at)
        self._checks.send_next(self._sender.send, at=at)
        self.lanes.release_idle(except_for=self._health.changed, at=at, now=now)

    def _send(self, at: datetime, now: float) -> None:
        """Send round robin over the lanes, as many requests as there are places."""
        free = self._sender.free
        places = Places(self.lanes)
        chosen: list[tuple[DeliveryLane, DueDelivery]] = []
        is_progressing = True
        while is_progressing:
            is_progressing = False
            for lane in self.lanes.one_round():
                if len(chosen) >= free:
                    break
                if not lane.may_send(at) or not places.has_room(lane):
                    continue
                if delivery := lane.take(now):
                    places.add(lane)
                    chosen.append((lane, delivery))
                    is_progressing = True
        if chosen:
            self._send_all(chosen, at)

    def _send_all(self, chosen: Sequence[tuple[DeliveryLane, DueDelivery]], at: datetime) -> None:
        """Send these deliveries. Raises Django's database errors; then nothing was sent."""
        try:
            self._bodies.load(delivery.event_id for _, delivery in chosen)
        except (DatabaseError, InterfaceError):
            for lane, delivery in chosen:
                lane.put_back(delivery)
            raise
        jobs = [self._job(lane, delivery, at) for lane, delivery in chosen]
        self._sender.send(*[job for job in jobs if job is not None])
        if self._expired:
            results.cancel(self._expired, reason=results.EVENT_EXPIRED, at=at)
            self._expired.clear()

    def _job(self, lane: DeliveryLane, delivery: DueDelivery, sent_at: datetime) -> SendJob | None:
        endpoint = lane.endpoint
        event = self._bodies.find(delivery.event_id, project_id=endpoint.project_id)
        if event is None:
            lane.put_back(delivery)
            lane.load_at = sent_at + timedelta(seconds=lane_supply.LOAD_SECONDS)
            if sent_at - ids.time_of(delivery.event_id) > POSITION_WITHIN:
                self._expired.append(delivery.id)
            return None
        span = attempt_spans.begin(event, endpoint=endpoint, delivery=delivery)
        headers = messages.headers_of(
            endpoint,
            delivery,
            body=event.body,
            at=sent_at,
            traceparent=attempt_spans.traceparent_of(event, span),
        )
        attempt_id = ids.new_id("wha")
        self._attempts[attempt_id] = SentAttempt(
            lane=lane,
            delivery=delivery,
            attempt_id=attempt_id,
            sent_at=sent_at,
            headers=messages.shown_headers(endpoint, headers),
            body_bytes=len(event.body),
            body_digest=messages.digest(event.body),
            span=span,
        )
        return messages.make_job(endpoint, attempt_id=attempt_id, headers=headers, body=event.body)

    def collect(self, *, at: datetime, wait: float) -> None:
        """Take results, waiting up to ``wait`` seconds for the first."""
        for result in self._sender.results(wait):
            attempt = self._attempts.pop(result.job_id, None)
            if attempt is None:
                self._take_check(result, at)
            else:
                self._finish(attempt, result, at)

    def _take_check(self, result: SendResult, at: datetime) -> None:
        try:
            self._checks.take(result, at=at)
        except (DatabaseError, InterfaceError) as error:
            log.warning("webhook_check_not_stored", error=type(error).__name__)

    def _finish(self, attempt: SentAttempt, result: SendResult, at: datetime) -> None:
        lane = attempt.lane
        judgement = judge(result, at=at)
        if judgement.verdict is Verdict.NOT_SENT:
            lane.put_back(attempt.delivery)
            self._forget(attempt)
            lane.load_at = at
            return
        lane.in_flight -= 1
        finished = results.finish(attempt, result, judgement=judgement, at=at)
        self._finished.append(finished)
        attempt_metrics.record_attempt(finished)
        attempt_spans.finish(finished)
        if lane.endpoint.is_ordered:
            self._store_at = min(self._store_at, self._clock() + ORDERED_STORE_SECONDS)
        self.delivered += judgement.verdict is Verdict.DELIVERED
        if result.phases.total is not None:
            lane.record_duration(timedelta(milliseconds=result.phases.total))
        if result.certificate_expires_at is not None:
            lane.certificate_expires_at = result.certificate_expires_at
        if attempt.delivery.kind != DeliveryKind.TEST:
            self._health.count(attempt, judgement, at=at, now=self._clock())

    def _store(self, at: datetime) -> None:
        """Store results and health; then what changes of health cause."""
        finished = self._finished
        changed = list(self._health.changed.values())
        try:
            results.store(finished, lanes=changed, at=at)
        except (DataError, IntegrityError):
            results.store_each(finished)
            results.store([], lanes=changed, at=at)
        self._finished = []
        self._health.forget_changes()
        for each in finished:
            self._forget(each.attempt)
        self._store_at = self._clock() + STORE_SECONDS
        self._health.record(at=at)

    def _forget(self, attempt: SentAttempt) -> None:
        """The delivery is stored, or waits again: the database may give it to the lane anew."""
        current = self.lanes.get(attempt.lane.id) or attempt.lane
        for lane in (attempt.lane, current):
            lane.unfinished.pop(attempt.delivery.id, None)
