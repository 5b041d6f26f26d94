"""Check and count in one statement: nothing is counted beyond what is allowed, however many try.

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

from common.errors import Conflict
from usage.errors import MeterArchived, NotConsumable, UsageKeyReused
from usage.models import Meter, RecordKey
from usage.periods import Period, Window
from usage.totals import counter_sql as tallies
from usage.totals import counters, record_ids
from usage.totals.counter_sql import Row

TOO_OFTEN = "The counter could not be brought to this moment."
ATTEMPTS = 5
"""How often a counter may have to be made, rolled or looked at again; twice is rare already."""


class CustomerChanged(Exception):  # no error: the caller asks again
    """The customer's version is another one by now; nothing was written."""


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
            "extended_from": self.period.extended_from,
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
    version: int | None = None,
) -> Outcome:
    """Count it, exactly if what is used and set aside stays within the limit; one round trip.

    Under the same key it is counted once: again is a duplicate, another wish or another ``said``
    raises UsageKeyReused. Raises MeterArchived, and NotConsumable for a meter that does not add
    up. A figure that passes one of the ``marks`` is noted as a movement, as every figure is of a
    meter that several limits share. With a ``version``, only if it is the customer's: else raises
    CustomerChanged.
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
        version=_large(version),
    )
    for _ in range(ATTEMPTS):
        row = tallies.row(tallies.COUNT, given)
        if row is not None and row.is_counted:
            return _counted(wish, row, id_)
        if row is not None and not row.is_current:
            raise CustomerChanged
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
    given = _given(wish, id_, at, "", limit=None, released=Int8(reserved), marks=[], version=None)
    for _ in range(ATTEMPTS):
        row = tallies.row(tallies.COUNT, given)
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
        row = tallies.row(tallies.RESERVE, given)
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
        cursor.execute(tallies.RELEASE, wish.parameters())


def _given(wish: Wish, id_: str, at: datetime, said: str, **more: Any) -> dict[str, Any]:
    sameness = _sameness(wish.customer_id, wish.meter_id, wish.amount, said)
    return wish.parameters(record=id_, fingerprint=sameness, at=at, **more)


def _large(figure: int | None) -> Int8 | None:
    """Of one type whatever its size: each type is a statement of its own to the server."""
    return None if figure is None else Int8(figure)


def _sameness(customer_id: str, meter_id: str, amount: int, said: str) -> bytes:
    return record_ids.fingerprint(
        customer_id=customer_id, meter_id=meter_id, value=f"{amount}\n{said}", occurred_at=None
    )


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
        row = tallies.row(tallies.READ, wish.parameters(at=at))
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
