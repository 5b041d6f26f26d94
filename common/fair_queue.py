"""The rule of every queue: one owner's trouble delays that owner only.

* :func:`in_turn`: a run takes the first row of each owner, then the second of each, and so on.
* :func:`fail`: what failed waits, twice as long each time, for every process. Its ``subject`` is
  one row, or one kind of request of the owner, or empty for all that the owner has in this queue.
* A row that failed as often as its rule allows is parked: it is left out until a person resumes it
  (:func:`resume`), and is shown in the console and in ``/health``.
* :func:`succeed` ends the back-off.
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

_FAIL = """
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
"""Several processes that fail within one pause count once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a queue backs off. The pause doubles from ``first`` up to ``longest``, less up to a
    quarter at random; after ``attempts`` failures in a row the subject is parked, without it
    never."""

    queue: str
    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=5)
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a queue because it failed; ``owners`` are how many have such trouble."""

    waiting: int
    parked: int
    owners: int
    oldest: datetime
    """When the oldest of them began to fail."""


def in_turn(
    rows: QuerySet[ModelT], *, owner: str, order: Sequence[str], limit: int
) -> list[ModelT]:
    """The rows to be worked on now, by turns: the first of each owner, then the second of each.

    ``owner`` and ``order`` are names of fields. Reads all due rows of the index that ``rows`` goes
    by, so they should be what is due and not a whole table.
    """
    turn = Window(RowNumber(), partition_by=F(owner), order_by=[F(name) for name in order])
    return list(rows.alias(turn=turn).order_by("turn", *order)[:limit])


def is_waiting(rule: Rule, *, owner: str | Combinable, subject: str | Combinable) -> Exists:
    """For a query: the row's subject waits or is parked. Both are fields of the query's rows, or
    expressions."""
    found = BackOff.objects.filter(
        WAITS, queue=rule.queue, owner=_outer(owner), subject=_outer(subject)
    )
    return Exists(found)


WAITS = Q(retry_at__gt=Now()) | Q(parked_at__isnull=False)
"""A back-off that is not over, by the database's clock."""
FAILS = Q(retry_at__gt=Now() - timedelta(minutes=15)) | Q(parked_at__isnull=False)
"""Something that failed lately: longer than any pause ago, nobody has tried it since."""
FORGOTTEN_AFTER = timedelta(days=7)


def fail(
    rule: Rule,
    *,
    owner: str,
    subject: str = "",
    error: Exception,
    at_least: timedelta = timedelta(),
) -> None:
    """Count a failure: the subject waits for the rule's pause, and for ``at_least``."""
    code = str(getattr(error, "code", "") or type(error).__name__)[:CODE_LENGTH]
    given: dict[str, Any] = {
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
        cursor.execute(_FAIL, given)
        counted = cursor.fetchone()
    if counted is not None:
        failures, is_parked = counted
        log.warning(
            "queue_parked" if is_parked else "queue_waits",
            queue=rule.queue,
            owner=owner,
            subject=subject,
            failures=failures,
            error=code,
        )


class QueueRun:
    """One run of a queue: counts failures, and ends the back-off of what works again."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    @cached_property
    def _failing(self) -> set[tuple[str, str]]:
        """Read when something works, so a run that finds nothing to do asks for nothing."""
        rows = BackOff.objects.filter(queue=self._rule.queue, parked_at__isnull=True)
        return set(rows.values_list("owner", "subject"))

    def attempt(self, act: Callable[[OwnedT], bool], row: OwnedT) -> bool:
        """What ``act`` says of the row; False when it raises, and the row then waits. Its owner is
        its project."""
        owner, subject = str(row.project_id), str(row.pk)
        try:
            is_done = act(row)
        except Exception as error:  # noqa: BLE001  # one row's trouble must not stop the others
            self.failed(owner=owner, subject=subject, error=error)
            return False
        self.succeeded(owner=owner, subject=subject)
        return is_done

    def failed(self, *, owner: str, subject: str = "", error: Exception) -> None:
        fail(self._rule, owner=owner, subject=subject, error=error)

    def succeeded(self, *, owner: str, subject: str = "") -> None:
        if (owner, subject) in self._failing:
            succeed(self._rule, owner=owner, subjects=[subject])


def succeed(rule: Rule, *, owner: str, subjects: Iterable[str] = ("",)) -> None:
    """These subjects of the owner work: they do not wait any more."""
    rows = BackOff.objects.filter(queue=rule.queue, owner=owner, subject__in=list(subjects))
    rows.delete()


def resume(*, owner: str, queue: str | None = None, subject: str | None = None) -> int:
    """Have everything of this owner tried again at once, parked or not; how much there was."""
    rows = BackOff.objects.filter(owner=owner)
    if queue is not None:
        rows = rows.filter(queue=queue)
    if subject is not None:
        rows = rows.filter(subject=subject)
    return rows.update(retry_at=Now(), parked_at=None, failures=1)


def purge() -> int:
    """Forget what nobody has tried for a week, except what is parked; how many there were."""
    rows = BackOff.objects.filter(retry_at__lt=Now() - FORGOTTEN_AFTER, parked_at__isnull=True)
    return rows.delete()[0]


def waiting(*queues: str) -> dict[str, Waiting]:
    """By queue, what fails; only queues in which something does. One query."""
    rows = BackOff.objects.filter(FAILS)
    if queues:
        rows = rows.filter(queue__in=queues)
    found = rows.values("queue").annotate(
        n=Count("pk", filter=Q(parked_at__isnull=True)),
        parked=Count("pk", filter=Q(parked_at__isnull=False)),
        owners=Count("owner", distinct=True),
        oldest=Min("failing_since"),
    )
    return {
        each["queue"]: Waiting(each["n"], each["parked"], each["owners"], each["oldest"])
        for each in found
    }


def _outer(name: str | Combinable) -> Any:
    return OuterRef(name) if isinstance(name, str) else name
