"""``usage.threshold_reached`` and ``usage.limit_reached``: told once for each window of a limit.

Whatever counts leaves a movement in the same transaction, so nothing that a crash interrupts is
forgotten. Here movements are taken away, and what has become of the limits is told. The movement
goes first and the figures are read after it, by a later statement: who counts meanwhile waits for
the row and leaves another one. Its lock also sees to it that one at a time tells of a customer's
limits; no counter and no customer is locked.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

import structlog
from django.db import DatabaseError, transaction

from common.fair_queue import QueueRun, RetryRule
from common.queue import enqueue
from entitlements import representation
from entitlements.decisions.selectors import decisions, limit_notices
from entitlements.models import Feature, LimitNotice
from entitlements.resolution.decision import Decision, Question, measured
from events.catalog import EventType
from events.services import outbox
from projects.models import Customer, Project
from usage.models import Movement
from usage.records import reclassify as movements
from usage.records.selectors import movements as waiting_movements
from usage.totals.aggregation import hour_of
from usage.totals.selectors import counting
from usage.totals.selectors.counting import Ask

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="limit_notices", attempts=20)

PERCENTS = {80: EventType.USAGE_THRESHOLD_REACHED, 100: EventType.USAGE_LIMIT_REACHED}
"""Parts of a limit that are worth an event, ascending."""


class Standing(NamedTuple):
    """One customer's metered feature, with its figures."""

    customer: Customer
    feature: Feature
    decision: Decision
    used: int


def marks(limit: int | None) -> list[int]:
    """The figures at which something is to be told."""
    return [-(-limit * percent // 100) for percent in PERCENTS] if limit else []


def drain(*, at: datetime, limit: int) -> int:
    """Tell what has become of the limits of those whose figures moved; how many were looked at."""
    run = QueueRun(RULE)
    due = sorted(waiting_movements.oldest(limit=limit, rule=RULE), key=_project)
    return sum(_drain_project(list(group), run, at) for _, group in groupby(due, key=_project))


def _project(moved: Movement) -> str:
    return str(moved.project_id)


def _drain_project(found: Sequence[Movement], run: QueueRun, at: datetime) -> int:
    """One project's limits, in a transaction of its own; customer by customer if that fails, so
    that one of them keeps no other waiting."""
    try:
        told = _take_and_tell(found, at)
    except Exception as error:  # noqa: BLE001  # told below, by the customer whose trouble it is
        log.warning("limits_not_told", project=found[0].project_id, error=type(error).__name__)
    else:
        for each in found:
            run.record_success(owner=each.project_id, subject=each.customer_id)
        return told
    return sum(_drain_customer(each, run, at) for each in found)


def _drain_customer(moved: Movement, run: QueueRun, at: datetime) -> int:
    try:
        told = _take_and_tell([moved], at)
    except Exception as error:  # noqa: BLE001  # one customer's trouble must not stop the others
        run.record_failure(owner=moved.project_id, subject=moved.customer_id, error=error)
        return 0
    run.record_success(owner=moved.project_id, subject=moved.customer_id)
    return told


def _take_and_tell(found: Sequence[Movement], at: datetime) -> int:
    with transaction.atomic():
        moved = movements.take_these(found)
        _tell_all(moved, at)
    return len(moved)


def tell(*, project_id: str, customer_id: str, meter_id: str, at: datetime) -> None:
    """As :func:`drain`, at once for this customer and meter."""
    with transaction.atomic():
        moved = movements.take(project_id=project_id, customer_id=customer_id, meter_id=meter_id)
        _tell_all(moved, at)


def notice(*, project_id: str, customer_id: str, meter_id: str, at: datetime, now: bool) -> None:
    """After something was counted and noted: tell ``now`` what it has come to, or wake who does.

    What was counted stays counted when telling fails; the movement is still there then.
    """
    if not now:
        enqueue("entitlements.hold_limits")
        return
    try:
        tell(project_id=project_id, customer_id=customer_id, meter_id=meter_id, at=at)
    except DatabaseError as error:
        log.warning("limits_not_told", customer=customer_id, error=type(error).__name__)


def _tell_all(moved: Sequence[Movement], at: datetime) -> None:
    """Windows begin on full hours: those who moved in one hour are in the same window."""

    def hour(each: Movement) -> tuple[str, datetime]:
        return each.project_id, hour_of(each.moved_at)

    for _, group in groupby(sorted(moved, key=hour), key=hour):
        together = list(group)
        _hold(together[0].project, together, max(each.moved_at for each in together), at)


def _hold(project: Project, moved: Sequence[Movement], moment: datetime, at: datetime) -> None:
    standings = _standings(project, moved, moment, at)
    told = limit_notices.find_many(
        project_id=project.pk,
        customer_ids={each.customer.pk for each in standings},
        feature_ids={each.feature.pk for each in standings},
    )
    for each in standings:
        before = told.get((each.customer.pk, each.feature.pk))
        _tell(each, before, moment, at)


def _standings(
    project: Project, moved: Sequence[Movement], moment: datetime, at: datetime
) -> list[Standing]:
    """Of every feature that one of the moved meters limits: those at 80 % and more."""
    features = _features(project, {each.meter_id for each in moved})
    asked = {
        Question(each.customer_id, feature.code): (each.customer, feature)
        for each in moved
        for feature in features.get(each.meter_id, ())
    }
    if not asked:
        return []
    answers = decisions.static_many(project=project, questions=list(asked), at=moment)
    limited = {
        question: answer.decision
        for question, answer in answers.items()
        if answer.decision.metering is not None and answer.decision.limit
    }
    asks = {question: _ask(question, decision) for question, decision in limited.items()}
    figures = counting.used(project_id=project.pk, asks=set(asks.values()), at=moment, now=at)
    standings = []
    for question, decision in sorted(limited.items()):
        used, reserved = figures[asks[question]]
        if used >= marks(decision.limit)[0]:
            whole = measured(decision, used=used, reserved=reserved, at=moment)
            standings.append(Standing(*asked[question], whole, used))
    return standings


def _features(project: Project, meter_ids: Collection[str]) -> dict[str, list[Feature]]:
    rows = Feature.objects.for_project(project).filter(meter_id__in=meter_ids).order_by("pk")
    found: dict[str, list[Feature]] = {}
    for feature in rows:
        found.setdefault(feature.meter_id or "", []).append(feature)
    return found


def _ask(question: Question, decision: Decision) -> Ask:
    assert decision.metering is not None
    return Ask(question.user_id, *decision.metering)


def _tell(standing: Standing, before: LimitNotice | None, moment: datetime, at: datetime) -> None:
    decision = standing.decision
    assert decision.metering is not None
    assert decision.limit is not None
    period = decision.metering.period
    reached = [
        percent
        for percent, mark in zip(PERCENTS, marks(decision.limit), strict=True)
        if mark <= standing.used
    ]
    notice = LimitNotice(
        project_id=standing.customer.project_id,
        customer=standing.customer,
        feature=standing.feature,
        period=period.regular_key,
        starts_at=period.window(moment).starts_at,
        limit=decision.limit,
        percent=max(reached),
        told_at=at,
    )
    was = before.percent if before is not None and before.speaks_of(notice) else 0
    if max(reached) > was:
        _store(notice)
        _record(standing, [percent for percent in reached if percent > was], at)


def _store(notice: LimitNotice) -> None:
    LimitNotice.objects.for_project(notice.project_id).bulk_create(
        [notice],
        update_conflicts=True,
        unique_fields=["project", "customer", "feature"],
        update_fields=["period", "starts_at", "limit", "percent", "told_at"],
    )


def _record(standing: Standing, percents: Iterable[int], at: datetime) -> None:
    customer = standing.customer
    for percent in percents:
        outbox.record(
            project_id=customer.project_id,
            event_type=PERCENTS[percent],
            subject=standing.feature.pk,
            data={
                "user_id": customer.user_id,
                "customer": customer.pk,
                "threshold": percent,
                **representation.decision(standing.decision),
            },
            at=at,
            customer_id=customer.pk,
            version=customer.version,
        )
