"""Store what became of attempts, many at once: the delivery, the attempt, the customer's next
delivery, and the health of the lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog
from django.db import DataError, IntegrityError, connection, transaction

from common.prepared_statements import fetch_rows
from common.spans import TraceSpan
from delivery.models import DeliveryKind, DeliveryState, WebhookDelivery
from delivery.sender.messages import SendResult
from delivery.webhooks import lane_sql, schedule
from delivery.webhooks.lanes import DeliveryLane, DueDelivery
from delivery.webhooks.verdicts import Judgement, Verdict

log = structlog.get_logger(__name__)

EXHAUSTED, UNSENDABLE, TEST_FAILED = "attempts_exhausted", "unsendable", "test_failed"
"""Reasons of failed deliveries."""
EVENT_EXPIRED = "event_expired"
"""Reason of canceled deliveries whose events are not kept any more."""
LONGEST_SENTENCE = 300
_COPY = """
COPY delivery_webhookattempt (id, project_id, delivery_id, endpoint_id, customer_id, number,
    sent_at, url, address, status, fault, sentence, is_reused, phases, request_headers, body_bytes,
    body_digest, response_headers, response_body, is_cut) FROM STDIN
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAttempt:
    """A request that was handed to the sender. ``headers`` are those that may be shown."""

    lane: DeliveryLane
    delivery: DueDelivery
    attempt_id: str
    sent_at: datetime
    headers: dict[str, str]
    body_bytes: int
    body_digest: str
    span: TraceSpan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedAttempt:
    """An attempt with its result; ``state``, ``reason``, ``due_at``: what the delivery gets."""

    attempt: SentAttempt
    result: SendResult
    judgement: Judgement
    state: DeliveryState
    reason: str
    due_at: datetime | None
    finished_at: datetime


def finish(
    attempt: SentAttempt, result: SendResult, *, judgement: Judgement, at: datetime
) -> FinishedAttempt:
    """Decide what becomes of the delivery."""
    state, reason, due_at = _decide(attempt, judgement, at)
    return FinishedAttempt(
        attempt=attempt,
        result=result,
        judgement=judgement,
        state=state,
        reason=reason,
        due_at=due_at,
        finished_at=at,
    )


def _decide(
    attempt: SentAttempt, judgement: Judgement, at: datetime
) -> tuple[DeliveryState, str, datetime | None]:
    delivery = attempt.delivery
    if judgement.verdict is Verdict.DELIVERED:
        return DeliveryState.DONE, "", None
    if delivery.kind == DeliveryKind.TEST:
        return DeliveryState.FAILED, TEST_FAILED, None
    if judgement.verdict is Verdict.HOPELESS:
        return DeliveryState.FAILED, UNSENDABLE, None
    due_at = schedule.next_attempt(
        attempts=delivery.attempts + 1,
        first_at=delivery.first_attempt_at or attempt.sent_at,
        at=at,
        at_least=judgement.pause or timedelta(),
    )
    if due_at is None:
        return DeliveryState.FAILED, EXHAUSTED, None
    return DeliveryState.WAITING, "", due_at


def store(
    finished: Sequence[FinishedAttempt], *, lanes: Sequence[DeliveryLane], at: datetime
) -> None:
    """Store these attempts and the health of these lanes in one transaction; the next deliveries
    of ordered customers are added to the lanes.

    Endpoints are locked before their deliveries, as by everything that people change.
    """
    touched = {id(lane): lane for lane in (*lanes, *(each.attempt.lane for each in finished))}
    with transaction.atomic():
        _store_health(list(touched.values()), at)
        stored = _store_deliveries(finished)
        _copy_attempts(finished)
        promoted = _promote([each for each in finished if each.attempt.delivery.id in stored], at)
    lanes_by_id = {each.attempt.lane.id: each.attempt.lane for each in finished}
    for endpoint_id, *columns in promoted:
        lanes_by_id[endpoint_id].add([DueDelivery(*columns)])


def cancel(delivery_ids: Sequence[str], *, reason: str, at: datetime) -> None:
    """Cancel deliveries that cannot be sent any more."""
    rows = WebhookDelivery.objects.across_projects().filter(
        pk__in=delivery_ids, state=DeliveryState.WAITING
    )
    rows.update(state=DeliveryState.CANCELED, reason=reason, finished_at=at)


def store_each(finished: Sequence[FinishedAttempt]) -> None:
    """Store these attempts one by one, after an error that another try would meet again. Of one
    that PostgreSQL refuses only the delivery is stored: it must not hold up all others."""
    for each in finished:
        try:
            with transaction.atomic():
                _store_deliveries([each])
                _copy_attempts([each])
        except (DataError, IntegrityError) as error:
            attempt_id = each.attempt.attempt_id
            log.warning("webhook_attempt_refused", attempt=attempt_id, error=type(error).__name__)
            _store_deliveries([each])


def _store_deliveries(finished: Sequence[FinishedAttempt]) -> set[str]:
    if not finished:
        return set()
    rows = fetch_rows(
        lane_sql.STORE,
        {
            "ids": [each.attempt.delivery.id for each in finished],
            "states": [each.state.value for each in finished],
            "reasons": [each.reason for each in finished],
            "attempts": [each.attempt.delivery.attempts + 1 for each in finished],
            "due": [_text(each.due_at) for each in finished],
            "sent": [_text(each.attempt.sent_at) for each in finished],
            "finished": [
                "" if each.state == DeliveryState.WAITING else _text(each.finished_at)
                for each in finished
            ],
        },
    )
    return {row[0] for row in rows}


def _copy_attempts(finished: Sequence[FinishedAttempt]) -> None:
    if not finished:
        return
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(_COPY) as copying,
    ):
        for each in finished:
            copying.write_row(_attempt_row(each))


def _attempt_row(finished: FinishedAttempt) -> tuple[Any, ...]:
    attempt, result = finished.attempt, finished.result
    delivery, endpoint = attempt.delivery, attempt.lane.endpoint
    return (
        attempt.attempt_id,
        endpoint.project_id,
        delivery.id,
        endpoint.id,
        delivery.customer_id,
        delivery.attempts + 1,
        attempt.sent_at,
        endpoint.url,
        result.address or "",
        result.status,
        result.fault.value if result.fault else "",
        _clean(result.sentence)[:LONGEST_SENTENCE],
        result.is_reused,
        orjson.dumps(result.phases).decode(),
        orjson.dumps(attempt.headers).decode(),
        attempt.body_bytes,
        attempt.body_digest,
        orjson.dumps({name: _clean(text) for name, text in result.headers.items()}).decode(),
        result.body,
        result.is_cut,
    )


def _promote(finished: Sequence[FinishedAttempt], at: datetime) -> list[tuple[Any, ...]]:
    """Let the next delivery of each customer go, whose last one has ended, at ordered endpoints."""
    ended = {
        (each.attempt.lane.id, each.attempt.delivery.customer_id)
        for each in finished
        if each.attempt.lane.endpoint.is_ordered
        and each.attempt.delivery.customer_id
        and each.state != DeliveryState.WAITING
    }
    if not ended:
        return []
    return fetch_rows(
        lane_sql.PROMOTE,
        {
            "ids": [endpoint_id for endpoint_id, _ in ended],
            "customers": [customer_id for _, customer_id in ended],
            "at": at,
        },
    )


def _store_health(lanes: Sequence[DeliveryLane], at: datetime) -> None:
    if not lanes:
        return
    fetch_rows(
        lane_sql.HEALTH,
        {
            "ids": [lane.id for lane in lanes],
            "epochs": [lane.epoch for lane in lanes],
            "failures": [lane.breaker.failures for lane in lanes],
            "pauses": [lane.breaker.pauses for lane in lanes],
            "problems": [_clean(lane.last_problem)[:LONGEST_SENTENCE] for lane in lanes],
            "breakers": [_text(lane.breaker.until) for lane in lanes],
            "failing": [_text(lane.failing_since) for lane in lanes],
            "succeeded": [int(lane.has_succeeded) for lane in lanes],
            "certificates": [_expiry(lane.certificate_expires_at) for lane in lanes],
            "at": at,
        },
    )


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _expiry(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).isoformat()


def _clean(text: str) -> str:
    """Text that PostgreSQL can hold."""
    return text.replace("\0", "�").encode(errors="replace").decode()
