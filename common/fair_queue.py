"""Fairness and back-off of every queue: the failures of one owner delay that owner only.

* :func:`round_robin` chooses the first row of each owner, then the second of each, and so on.
* :func:`record_failure` makes a subject wait, twice as long each time, in all processes. A subject
  is one row, or one kind of request of the owner; empty, it is everything of the owner.
* A subject that failed as often as its rule allows is parked: it waits until a person resumes it
  (:func:`resume`), and is shown in the console and in ``/health``.
* :func:`record_success` ends the back-off.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import structlog
from django.db import connection
from django.db.models import Count, Exists, F, Min, Model, OuterRef, Q, QuerySet, Window
from django.db.models.expressions import Combinable
from django.db.models.functions import Now, RowNumber

from common.logs import error_text
from common.models import BackOff, ProjectOwned

log = structlog.get_logger(__name__)

ModelT = TypeVar("ModelT", bound=Model)
OwnedT = TypeVar("OwnedT", bound=ProjectOwned)

CODE_LENGTH = 64

_RECORD_FAILURE = """
INSERT INTO common_backoff AS back_off
    (queue, owner, subject, failures, code, last_error, failing_since, retry_at, parked_at)
VALUES (%(queue)s, %(owner)s, %(subject)s, 1, %(code)s, %(error)s, statement_timestamp(),
    statement_timestamp() + greatest(%(first)s, %(at_least)s) * (0.75 + random() / 4),
    CASE WHEN %(attempts)s <= 1 THEN statement_timestamp() END)
ON CONFLICT (queue, owner, subject) DO UPDATE SET
    failures = back_off.failures + 1,
    code = EXCLUDED.code,
    last_error = EXCLUDED.last_error,
    retry_at = statement_timestamp() + (0.75 + random() / 4) * greatest(
        least(%(first)s * 2 ^ least(back_off.failures, 30), %(longest)s), %(at_least)s),
    parked_at = CASE WHEN back_off.failures + 1 >= %(attempts)s THEN statement_timestamp() END
WHERE back_off.retry_at <= statement_timestamp() OR back_off.code <> EXCLUDED.code
RETURNING failures, parked_at IS NOT NULL
"""
"""Failures of several processes within one pause count as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """The back-off of a queue.

    The pause doubles from ``first`` up to ``longest``, minus up to a quarter at random. After
    ``attempts`` failures in a row the subject is parked; None: never.
    """

    queue: str
    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=5)
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class QueueFailures:
    """Number of waiting and of parked subjects of a queue, and of their owners."""

    waiting: int
    parked: int
    owners: int
    oldest: datetime
    """When the subject that has failed for the longest time began to fail."""


def round_robin(
    rows: QuerySet[ModelT], *, owner: str, order: Sequence[str], limit: int
) -> list[ModelT]:
    """Choose up to ``limit`` rows: the first of each owner, then the second of each, and so on.

    ``owner`` and ``order`` are names of fields. The database reads every row of ``rows``, so these
    should be the due rows and not a whole table.
    """
    place = Window(RowNumber(), partition_by=F(owner), order_by=[F(name) for name in order])
    return list(rows.alias(place=place).order_by("place", *order)[:limit])


def is_backing_off(
    rule: RetryRule, *, owner: str | Combinable, subject: str | Combinable
) -> Exists:
    """Condition of rows whose subject waits or is parked. ``owner`` and ``subject`` are fields of
    these rows, or expressions."""
    back_offs = BackOff.objects.filter(
        IS_BACKING_OFF, queue=rule.queue, owner=_outer(owner), subject=_outer(subject)
    )
    return Exists(back_offs)


IS_BACKING_OFF = Q(retry_at__gt=Now()) | Q(parked_at__isnull=False)
"""Condition of back-offs that have not ended, by the database's clock."""
FAILED_RECENTLY = Q(retry_at__gt=Now() - timedelta(minutes=15)) | Q(parked_at__isnull=False)
"""Condition of back-offs that ended less than 15 minutes ago, or not yet. No pause is that long: an
older one has ended without another try."""
KEPT_FOR = timedelta(days=7)


def record_failure(
    rule: RetryRule,
    *,
    owner: str,
    subject: str = "",
    error: Exception,
    at_least: timedelta = timedelta(),
) -> None:
    """Count a failure: the subject waits for the rule's pause, at least for ``at_least``."""
    code = str(getattr(error, "code", "") or type(error).__name__)[:CODE_LENGTH]
    parameters: dict[str, Any] = {
        "queue": rule.queue,
        "owner": owner,
        "subject": subject,
        "code": code,
        "error": error_text(error),
        "first": rule.first,
        "longest": rule.longest,
        "at_least": at_least,
        "attempts": rule.attempts or 2**31 - 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_FAILURE, parameters)
        row = cursor.fetchone()
    if row is not None:
        failures, is_parked = row
        log.warning(
            "queue_parked" if is_parked else "queue_waits",
            queue=rule.queue,
            owner=owner,
            subject=subject,
            failures=failures,
            error=code,
        )


class QueueRun:
    """One run of a queue: records failures, and ends the back-off of subjects that work again."""

    def __init__(self, rule: RetryRule) -> None:
        self._rule = rule

    @cached_property
    def _failing(self) -> set[tuple[str, str]]:
        """Read at the first success, so that a run without work makes no query."""
        rows = BackOff.objects.filter(queue=self._rule.queue, parked_at__isnull=True)
        return set(rows.values_list("owner", "subject"))

    def attempt(self, act: Callable[[OwnedT], bool], row: OwnedT) -> bool:
        """Return ``act(row)``. When it raises, record a failure of the row and return False. Its
        owner is the row's project."""
        owner, subject = str(row.project_id), str(row.pk)
        try:
            is_done = act(row)
        except Exception as error:  # noqa: BLE001  # one row's trouble must not stop the others
            self.record_failure(owner=owner, subject=subject, error=error)
            return False
        self.record_success(owner=owner, subject=subject)
        return is_done

    def record_failure(self, *, owner: str, subject: str = "", error: Exception) -> None:
        record_failure(self._rule, owner=owner, subject=subject, error=error)

    def record_success(self, *, owner: str, subject: str = "") -> None:
        if (owner, subject) in self._failing:
            record_success(self._rule, owner=owner, subjects=[subject])


def record_success(rule: RetryRule, *, owner: str, subjects: Iterable[str] = ("",)) -> None:
    """End the back-off of these subjects of the owner."""
    rows = BackOff.objects.filter(queue=rule.queue, owner=owner, subject__in=list(subjects))
    rows.delete()


def resume(*, owner: str, queue: str | None = None, subject: str | None = None) -> int:
    """End every pause of this owner, parked or not. Returns how many there were."""
    rows = BackOff.objects.filter(owner=owner)
    if queue is not None:
        rows = rows.filter(queue=queue)
    if subject is not None:
        rows = rows.filter(subject=subject)
    return rows.update(retry_at=Now(), parked_at=None, failures=1)


def purge() -> int:
    """Delete back-offs that no run has tried for a week, except parked ones. Returns how many."""
    rows = BackOff.objects.filter(retry_at__lt=Now() - KEPT_FOR, parked_at__isnull=True)
    return rows.delete()[0]


def failures_by_queue(*queues: str) -> dict[str, QueueFailures]:
    """Failures of the last 15 minutes by queue; queues without failures are left out. One query."""
    rows = BackOff.objects.filter(FAILED_RECENTLY)
    if queues:
        rows = rows.filter(queue__in=queues)
    counts = rows.values("queue").annotate(
        n=Count("pk", filter=Q(parked_at__isnull=True)),
        parked=Count("pk", filter=Q(parked_at__isnull=False)),
        owners=Count("owner", distinct=True),
        oldest=Min("failing_since"),
    )
    return {
        row["queue"]: QueueFailures(row["n"], row["parked"], row["owners"], row["oldest"])
        for row in counts
    }


def _outer(name: str | Combinable) -> Any:
    return OuterRef(name) if isinstance(name, str) else name
