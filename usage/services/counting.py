"""Check and count in one statement: nothing is counted beyond what is allowed, however many try.

The counters of the customer and meter are locked first, in the order of their periods; the one
that the limit is held against decides; then the record's key, the counters, the record and the
hour's total follow from each other in the same statement, which is one round trip. It is SQL,
because the ORM has no words for a write that depends on another one.

A statement sees what was committed when it began, so a counter that was made while it waited is
not among those that it changes. ``siblings`` tells: it is read under the lock. When it says that
there are more counters than were locked, nothing is written and the statement runs again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from psycopg.types.numeric import Int8

from common import prepared
from common.errors import Conflict
from usage import record_ids
from usage.errors import MeterArchived, NotConsumable, UsageKeyReused
from usage.models import Meter, RecordKey
from usage.periods import Period, Window
from usage.services import counters

_COUNT = """
WITH held AS MATERIALIZED (
    SELECT period, starts_at, ends_at, used, reserved, siblings FROM usage_counter
    WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
      AND EXISTS (
        SELECT FROM usage_counter
        WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
          AND period = %(period)s)
    ORDER BY period FOR UPDATE
), target AS (
    SELECT used, reserved, starts_at, ends_at, GREATEST(%(at)s, starts_at) AS counts_at,
        siblings <= (SELECT count(*) FROM held) AS is_whole,
        archived_at IS NULL AND aggregation IN ('count', 'sum') AS is_open, is_forwarded, is_shared
    FROM held JOIN usage_meter ON project_id = %(project)s AND id = %(meter)s
    WHERE period = %(period)s
), keyed AS (
    INSERT INTO usage_recordkey
        (project_id, id, customer_id, meter_id, occurred_at, recorded_at, fingerprint)
    SELECT %(project)s, %(record)s, %(customer)s, %(meter)s, counts_at, %(at)s, %(fingerprint)s
    FROM target
    WHERE is_whole AND is_open AND (counts_at < ends_at OR %(released)s > 0)
      AND (%(limit)s::numeric IS NULL
        OR used + reserved - %(released)s + %(amount)s <= %(limit)s::numeric)
    ON CONFLICT DO NOTHING
    RETURNING occurred_at
), counted AS (
    UPDATE usage_counter AS counter SET
        used = counter.used + CASE
            WHEN occurred_at >= counter.starts_at AND occurred_at < counter.ends_at
            THEN %(amount)s ELSE 0 END,
        reserved = counter.reserved - CASE
            WHEN counter.period = %(period)s THEN %(released)s ELSE 0 END
    FROM keyed
    WHERE counter.project_id = %(project)s AND counter.customer_id = %(customer)s
      AND counter.meter_id = %(meter)s
), recorded AS (
    INSERT INTO usage_record
        (project_id, customer_id, meter_id, occurred_at, id, value, recorded_at, forwarding)
    SELECT %(project)s, %(customer)s, %(meter)s, occurred_at, %(record)s, %(amount)s, %(at)s,
        CASE WHEN is_forwarded THEN 'pending' ELSE '' END
    FROM keyed, target
), totalled AS (
    INSERT INTO usage_total AS total
        (project_id, customer_id, meter_id, hour, count, sum, max, last, last_at)
    SELECT %(project)s, %(customer)s, %(meter)s, date_trunc('hour', occurred_at, 'UTC'),
        1, %(amount)s, %(amount)s, %(amount)s, occurred_at
    FROM keyed
    ON CONFLICT (project_id, customer_id, meter_id, hour) DO UPDATE SET
        count = total.count + 1,
        sum = total.sum + excluded.sum,
        max = GREATEST(total.max, excluded.max),
        last = CASE WHEN (excluded.last_at, excluded.last) > (total.last_at, total.last)
            THEN excluded.last ELSE total.last END,
        last_at = GREATEST(total.last_at, excluded.last_at)
), noted AS (
    INSERT INTO usage_movement AS movement (project_id, customer_id, meter_id, moved_at)
    SELECT %(project)s, %(customer)s, %(meter)s, %(at)s
    FROM keyed, target
    WHERE is_shared OR %(released)s > 0 OR EXISTS (
        SELECT FROM unnest(%(marks)s::numeric[]) AS mark
        WHERE used < mark AND mark <= used + %(amount)s)
    ON CONFLICT (project_id, customer_id, meter_id) DO UPDATE SET moved_at = excluded.moved_at
    RETURNING moved_at
)
SELECT used, reserved, starts_at, ends_at, is_whole AND counts_at < ends_at AS is_running,
    is_open, EXISTS (SELECT FROM keyed) AS is_counted, EXISTS (SELECT FROM noted) AS is_noted
FROM target
"""

_RESERVE = """
UPDATE usage_counter SET reserved = reserved + %(amount)s
WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
  AND period = %(period)s AND %(at)s < ends_at AND EXISTS (
    SELECT FROM usage_meter WHERE project_id = %(project)s AND id = %(meter)s
      AND archived_at IS NULL AND aggregation IN ('count', 'sum'))
  AND (%(limit)s::numeric IS NULL OR used + reserved + %(amount)s <= %(limit)s::numeric)
RETURNING used, reserved, starts_at, ends_at, true, true, true, false
"""

_READ = """
SELECT used, reserved, starts_at, ends_at, %(at)s < ends_at,
    archived_at IS NULL AND aggregation IN ('count', 'sum'), false, false
FROM usage_counter JOIN usage_meter
    ON usage_meter.project_id = usage_counter.project_id AND usage_meter.id = meter_id
WHERE usage_counter.project_id = %(project)s AND customer_id = %(customer)s
  AND meter_id = %(meter)s AND period = %(period)s
"""

_RELEASE = """
UPDATE usage_counter SET reserved = reserved - %(amount)s
WHERE project_id = %(project)s AND customer_id = %(customer)s AND meter_id = %(meter)s
  AND period = %(period)s
"""

TOO_OFTEN = "The counter could not be brought to this moment."
ATTEMPTS = 5
"""How often a counter may have to be made, rolled or looked at again; twice is rare already."""


class Row(NamedTuple):
    """The counter before the statement, and what the statement did."""

    used: int
    reserved: int
    starts_at: datetime
    ends_at: datetime
    is_running: bool
    is_open: bool
    is_counted: bool
    is_noted: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a wish to count or to set aside, and how the counter stands now."""

    is_done: bool
    used: int
    reserved: int
    window: Window
    record_id: str = ""
    is_duplicate: bool = False
    is_noted: bool = False


class Wish(NamedTuple):
    """So much of what, by whom, held against the counter of which period."""

    project_id: str
    customer_id: str
    meter_id: str
    period: Period
    amount: int

    def parameters(self, **more: Any) -> dict[str, Any]:
        """As the statements name them."""
        return {
            "project": self.project_id,
            "customer": self.customer_id,
            "meter": self.meter_id,
            "period": self.period.key,
            "amount": Int8(self.amount),
            **more,
        }


def take(
    wish: Wish,
    *,
    limit: int | None,
    at: datetime,
    key: str = "",
    said: str = "",
    marks: Sequence[int] = (),
) -> Outcome:
    """Count it, exactly if what is used and set aside stays within the limit; one round trip.

    Under the same key it is counted once: again is a duplicate, another wish or another ``said``
    raises UsageKeyReused. Raises MeterArchived, and NotConsumable for a meter that does not add
    up. A figure that passes one of the ``marks`` is noted as a movement, as every figure is of a
    meter that several limits share.
    """
    id_ = record_ids.of_key(wish.project_id, f"take\0{key}") if key else record_ids.fresh(at)
    given = _given(
        wish,
        id_,
        at,
        said,
        limit=_large(limit),
        released=Int8(0),
        marks=[Int8(mark) for mark in marks],
    )
    for _ in range(ATTEMPTS):
        row = _row(_COUNT, given)
        if row is not None and row.is_counted:
            return _counted(wish, row, id_)
        if key and _is_known(wish.project_id, id_, given["fingerprint"]):
            return _standing(wish, row, at, id_)
        if row is not None and not row.is_open:
            raise _closed(wish)
        if row is not None and row.is_running:
            return Outcome(False, row.used, row.reserved, Window(row.starts_at, row.ends_at))
        _ensure(wish, at)
    raise RuntimeError(TOO_OFTEN)


def settle(wish: Wish, *, reserved: int, key: str, at: datetime) -> Outcome:
    """Count it out of what was set aside, ``reserved``, and give back the rest; once for each key.

    No limit is asked: it was promised. A movement is noted. Raises MeterArchived.
    """
    id_ = record_ids.of_key(wish.project_id, f"settle\0{key}")
    given = _given(wish, id_, at, "", limit=None, released=Int8(reserved), marks=[])
    for _ in range(ATTEMPTS):
        row = _row(_COUNT, given)
        if row is not None and row.is_counted:
            return _counted(wish, row, id_, released=reserved)
        if row is not None and not row.is_open:
            raise _closed(wish)
        if _is_known(wish.project_id, id_, given["fingerprint"]):
            return _standing(wish, row, at, id_)
    raise RuntimeError(TOO_OFTEN)


def reserve(wish: Wish, *, limit: int | None, at: datetime) -> Outcome:
    """Set it aside, exactly if what is used and set aside stays within the limit.

    Raises MeterArchived, NotConsumable.
    """
    given = wish.parameters(limit=_large(limit), at=at)
    for _ in range(ATTEMPTS):
        row = _row(_RESERVE, given) or _row(_READ, given)
        if row is not None and not row.is_open:
            raise _closed(wish)
        if row is not None and row.is_running:
            window = Window(row.starts_at, row.ends_at)
            return Outcome(row.is_counted, row.used, row.reserved, window)
        _ensure(wish, at)
    raise RuntimeError(TOO_OFTEN)


def release(wish: Wish) -> None:
    """Give back what was set aside, whichever window the counter is in by now."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, wish.parameters())


def _given(wish: Wish, id_: str, at: datetime, said: str, **more: Any) -> dict[str, Any]:
    sameness = _sameness(wish.customer_id, wish.meter_id, wish.amount, said)
    return wish.parameters(record=id_, fingerprint=sameness, at=at, **more)


def _large(figure: int | None) -> Int8 | None:
    """Of one type whatever its size: each type is a statement of its own to the server."""
    return None if figure is None else Int8(figure)


def _sameness(customer_id: str, meter_id: str, amount: int, said: str) -> bytes:
    return record_ids.fingerprint(customer_id, meter_id, f"{amount}\n{said}", None)


def _row(statement: str, given: dict[str, Any]) -> Row | None:
    found = prepared.row(statement, given)
    return None if found is None else Row(int(found[0]), int(found[1]), *found[2:])


def _counted(wish: Wish, row: Row, id_: str, *, released: int = 0) -> Outcome:
    """A use that was set aside before its window was over counts in the next one."""
    return Outcome(
        is_done=True,
        used=row.used + (wish.amount if row.is_running else 0),
        reserved=row.reserved - released,
        window=Window(row.starts_at, row.ends_at),
        record_id=id_,
        is_noted=row.is_noted,
    )


def _is_known(project_id: str, id_: str, sameness: bytes) -> bool:
    """Whether this was counted before; by a later statement, which sees what others committed."""
    rows = RecordKey.objects.for_project(project_id).filter(id=id_)
    said = rows.values_list("fingerprint", flat=True).first()
    if said is not None and bytes(said) != sameness:
        raise UsageKeyReused("Send a key of its own with each use; the same only to repeat one.")
    return said is not None


def was_taken(*, project_id: str, customer_id: str, amount: int, key: str, said: str = "") -> bool:
    """Whether exactly this was counted under this key. Raises UsageKeyReused for something else."""
    id_ = record_ids.of_key(project_id, f"take\0{key}")
    row = RecordKey.objects.for_project(project_id).filter(id=id_).first()
    if row is None:
        return False
    return _is_known(project_id, id_, _sameness(customer_id, row.meter_id, amount, said))


def _closed(wish: Wish) -> Conflict:
    meter = Meter.objects.for_project(wish.project_id).get(pk=wish.meter_id)
    if meter.is_additive:
        return MeterArchived(f"Restore {meter.code} with PATCH /meters/{meter.code}.")
    return NotConsumable(
        f"The meter {meter.code} keeps the {meter.aggregation} of its values, and only counts and "
        "sums can be consumed. Send records to POST /usage, and check the feature."
    )


def _standing(wish: Wish, row: Row | None, at: datetime, id_: str) -> Outcome:
    """The outcome of a repeated wish: it is done, and this is how the counter stands."""
    if row is None or not row.is_running:
        _ensure(wish, at)
        row = _row(_READ, wish.parameters(at=at))
    if row is None:
        raise RuntimeError(TOO_OFTEN)
    window = Window(row.starts_at, row.ends_at)
    return Outcome(True, row.used, row.reserved, window, record_id=id_, is_duplicate=True)


def _ensure(wish: Wish, at: datetime) -> None:
    counters.ensure(
        project_id=wish.project_id,
        customer_id=wish.customer_id,
        meter_id=wish.meter_id,
        period=wish.period,
        at=at,
    )
