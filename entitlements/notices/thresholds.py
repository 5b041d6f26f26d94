"""Record ``usage.threshold_reached`` and ``usage.limit_reached`` once per window of a limit.

Every count of a watched meter leaves a movement row in its transaction, so a crash loses nothing.
Here the movements are deleted first and the usage is read by a later statement: a count in between
waits for the row and leaves another movement. The lock on the movement also serialises notices of
one customer; no counter or customer is locked.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, NamedTuple

import structlog
from django.db import DatabaseError, transaction

from common.bodies import UserId
from common.fair_queue import QueueRun, RetryRule
from common.queue import enqueue
from entitlements import representation
from entitlements.decisions.selectors import decisions, limit_notices
from entitlements.models import Feature, LimitNotice
from entitlements.representation import DecisionBody
from entitlements.resolution.decision import Decision, Question, apply_usage
from events.catalog import EventType
from events.log import outbox
from projects.models import Customer, Project
from usage.models import Movement
from usage.records import reclassify
from usage.records.selectors import movements as movement_rows
from usage.totals.aggregation import hour_of
from usage.totals.selectors import counting
from usage.totals.selectors.counting import CounterKey

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="limit_notices", attempts=20)

PERCENTS = {80: EventType.USAGE_THRESHOLD_REACHED, 100: EventType.USAGE_LIMIT_REACHED}
"""Event by percentage of the limit, ascending."""


class LimitReachedBody(DecisionBody):
    """A share of a limit that is used."""

    user_id: UserId
    customer: str
    threshold: Annotated[int, "Per cent of the limit."]


class LimitStatus(NamedTuple):
    """One customer's metered feature with its usage."""

    customer: Customer
    feature: Feature
    decision: Decision
    used: int


def threshold_amounts(limit: int | None) -> list[int]:
    """The usage at which an event is recorded, in units."""
    return [-(-limit * percent // 100) for percent in PERCENTS] if limit else []


def notify_due(*, at: datetime, limit: int) -> int:
    """Check the limits of customers with movements. Returns how many movements were processed."""
    run = QueueRun(RULE)
    due = sorted(movement_rows.oldest(limit=limit, rule=RULE), key=_project)
    return sum(_notify_project(list(group), run, at) for _, group in groupby(due, key=_project))


def _project(movement: Movement) -> str:
    return str(movement.project_id)


def _notify_project(movements: Sequence[Movement], run: QueueRun, at: datetime) -> int:
    """One project's movements in one transaction; one by one when that fails, so that one
    customer's error does not block the others."""
    try:
        notified = _claim_and_notify(movements, at)
    except Exception as error:  # noqa: BLE001  # told below, by the customer whose trouble it is
        log.warning("limits_not_told", project=movements[0].project_id, error=type(error).__name__)
    else:
        for movement in movements:
            run.record_success(owner=movement.project_id, subject=movement.customer_id)
        return notified
    return sum(_notify_customer(movement, run, at) for movement in movements)


def _notify_customer(movement: Movement, run: QueueRun, at: datetime) -> int:
    try:
        notified = _claim_and_notify([movement], at)
    except Exception as error:  # noqa: BLE001  # one customer's trouble must not stop the others
        run.record_failure(owner=movement.project_id, subject=movement.customer_id, error=error)
        return 0
    run.record_success(owner=movement.project_id, subject=movement.customer_id)
    return notified


def _claim_and_notify(movements: Sequence[Movement], at: datetime) -> int:
    with transaction.atomic():
        claimed = reclassify.claim_many(movements)
        _notify_by_hour(claimed, at)
    return len(claimed)


def notify_now(*, project_id: str, customer_id: str, meter_id: str, at: datetime) -> None:
    """Check the limits of this customer and meter at once."""
    with transaction.atomic():
        claimed = reclassify.claim(
            project_id=project_id, customer_id=customer_id, meter_id=meter_id
        )
        _notify_by_hour(claimed, at)


def notify_or_wake(
    *, project_id: str, customer_id: str, meter_id: str, at: datetime, now: bool
) -> None:
    """After a count that left a movement: check the limits ``now``, or wake the worker that does.

    An error does not undo the count; the movement stays for the worker.
    """
    if not now:
        enqueue("entitlements.hold_limits")
        return
    try:
        notify_now(project_id=project_id, customer_id=customer_id, meter_id=meter_id, at=at)
    except DatabaseError as error:
        log.warning("limits_not_told", customer=customer_id, error=type(error).__name__)


def _notify_by_hour(movements: Sequence[Movement], at: datetime) -> None:
    """Windows begin on full hours, so movements within one hour share their window."""

    def hour(movement: Movement) -> tuple[str, datetime]:
        return movement.project_id, hour_of(movement.moved_at)

    for _, group in groupby(sorted(movements, key=hour), key=hour):
        in_same_hour = list(group)
        _notify_limits(
            in_same_hour[0].project,
            in_same_hour,
            max(movement.moved_at for movement in in_same_hour),
            at,
        )


def _notify_limits(
    project: Project, movements: Sequence[Movement], moment: datetime, at: datetime
) -> None:
    statuses = _find_statuses(project, movements, moment, at)
    notices = limit_notices.find_many(
        project_id=project.pk,
        customer_ids={status.customer.pk for status in statuses},
        feature_ids={status.feature.pk for status in statuses},
    )
    for status in statuses:
        last_notice = notices.get((status.customer.pk, status.feature.pk))
        _notify_status(status, last_notice, moment, at)


def _find_statuses(
    project: Project, movements: Sequence[Movement], moment: datetime, at: datetime
) -> list[LimitStatus]:
    """Status of every feature that a moved meter limits, with usage at the first threshold or
    above."""
    features = _features(project, {movement.meter_id for movement in movements})
    subjects = {
        Question(movement.customer_id, feature.code): (movement.customer, feature)
        for movement in movements
        for feature in features.get(movement.meter_id, ())
    }
    if not subjects:
        return []
    static_decisions = decisions.decide_static_many(
        project=project, questions=list(subjects), at=moment
    )
    limited = {
        question: static.decision
        for question, static in static_decisions.items()
        if static.decision.metering is not None and static.decision.limit
    }
    counter_keys = {
        question: _counter_key(question, decision) for question, decision in limited.items()
    }
    amounts = counting.read_usage(
        project_id=project.pk, keys=set(counter_keys.values()), at=moment, now=at
    )
    statuses = []
    for question, decision in sorted(limited.items()):
        used, reserved = amounts[counter_keys[question]]
        if used >= threshold_amounts(decision.limit)[0]:
            completed = apply_usage(decision, used=used, reserved=reserved, at=moment)
            statuses.append(LimitStatus(*subjects[question], completed, used))
    return statuses


def _features(project: Project, meter_ids: Collection[str]) -> dict[str, list[Feature]]:
    rows = Feature.objects.for_project(project).filter(meter_id__in=meter_ids).order_by("pk")
    features_by_meter: dict[str, list[Feature]] = {}
    for feature in rows:
        features_by_meter.setdefault(feature.meter_id or "", []).append(feature)
    return features_by_meter


def _counter_key(question: Question, decision: Decision) -> CounterKey:
    assert decision.metering is not None
    return CounterKey(question.user_id, *decision.metering)


def _notify_status(
    status: LimitStatus, last_notice: LimitNotice | None, moment: datetime, at: datetime
) -> None:
    decision = status.decision
    assert decision.metering is not None
    assert decision.limit is not None
    period = decision.metering.period
    reached = [
        percent
        for percent, amount in zip(PERCENTS, threshold_amounts(decision.limit), strict=True)
        if amount <= status.used
    ]
    notice = LimitNotice(
        project_id=status.customer.project_id,
        customer=status.customer,
        feature=status.feature,
        period=period.regular_key,
        starts_at=period.window(moment).starts_at,
        limit=decision.limit,
        percent=max(reached),
        told_at=at,
    )
    last_percent = (
        last_notice.percent
        if last_notice is not None and last_notice.is_same_limit_as(notice)
        else 0
    )
    if max(reached) > last_percent:
        _store(notice)
        _record_events(status, [percent for percent in reached if percent > last_percent], at)


def _store(notice: LimitNotice) -> None:
    LimitNotice.objects.for_project(notice.project_id).bulk_create(
        [notice],
        update_conflicts=True,
        unique_fields=["project", "customer", "feature"],
        update_fields=["period", "starts_at", "limit", "percent", "told_at"],
    )


def _record_events(status: LimitStatus, percents: Iterable[int], at: datetime) -> None:
    customer = status.customer
    for percent in percents:
        outbox.record(
            project_id=customer.project_id,
            event_type=PERCENTS[percent],
            subject=status.feature.pk,
            data=LimitReachedBody(
                user_id=customer.user_id,
                customer=customer.pk,
                threshold=percent,
                **representation.decision(status.decision),
            ),
            at=at,
            customer_id=customer.pk,
            version=customer.version,
        )
