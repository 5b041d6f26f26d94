"""Take records of use: each once, each counted in the transaction that stores it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from common.errors import DomainError
from projects.customers import service as customers
from projects.models import Project
from usage.errors import (
    MeterArchived,
    MeterUnknown,
    UsageInFuture,
    UsageKeyReused,
    UsageTooOld,
    UsageValueInvalid,
)
from usage.meters import selectors as stored_meters
from usage.models import Meter
from usage.models.meter import Aggregation
from usage.records import insert_records as storing
from usage.records.row import Row
from usage.totals import cache, record_ids
from usage.totals import service as totals
from usage.totals import write_locks as stripes

MOST = 1000
"""Records that one call may bring."""
LARGEST = 2**53 - 1
"""The largest value: every reader of JSON can hold it."""
LONGEST = 255
"""Characters of what a ``unique`` meter tells apart."""
COUNT, UNIQUE = Aggregation.COUNT.value, Aggregation.UNIQUE.value

PAIR = attrgetter("customer_id", "meter_id")
USE = attrgetter("customer_id", "meter_id", "value", "occurred_at")


class Entry(NamedTuple):
    """One use, as its sender tells it. Without ``occurred_at`` it happened when it arrives."""

    user_id: str
    meter: str
    value: int | str | None = None
    occurred_at: datetime | None = None
    key: str | None = None


class Status(StrEnum):
    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


RECORDED = Status.RECORDED


class Outcome(NamedTuple):
    """What became of an entry; ``id`` is empty when it was refused."""

    status: Status
    id: str = ""
    refusal: DomainError | None = None


def record(*, project: Project, entries: Sequence[Entry], at: datetime) -> list[Outcome]:
    """Store and count these, all at once; what became of each, in their order.

    An entry that is refused leaves nothing behind and keeps no other out. One with a key that was
    used before is not counted again: a duplicate if it says the same (one that says no moment
    repeats whichever was recorded), refused otherwise. Customers nobody knew are made. Not more
    than 1,000 entries.
    """
    given = _Columns(*zip(*entries, strict=True))
    meters = stored_meters.find_many(project=project, codes=set(given.codes))
    times = _Times(at - settings.USAGE.late_window, at, at + settings.USAGE.early_window)
    screened: list[DomainError | None] = [None] * len(entries)
    is_fine = _are_fine(given, meters, times)
    if not is_fine:
        screened = [_screen(each, meters.get(each.meter), times) for each in entries]
    user_ids = {
        user_id
        for user_id, refusal in zip(given.user_ids, screened, strict=True)
        if refusal is None
    }
    if not user_ids:
        return [Outcome(Status.REFUSED, refusal=refusal) for refusal in screened]
    with transaction.atomic():
        people = customers.ensure_ids(project=project, user_ids=user_ids, at=at)
        drafts: Sequence[Row | DomainError]
        if is_fine and len(people) == len(user_ids):
            drafts = made = _rows(given, people, meters, at)
        else:
            drafts = [
                refusal or _draft(each, people.get(each.user_id), meters[each.meter], at)
                for each, refusal in zip(entries, screened, strict=True)
            ]
            made = [draft for draft in drafts if isinstance(draft, Row)]
        rows = {row.id: row for row in made}
        if len(rows) < len(made):  # of those with one id the first is meant
            rows = {row.id: row for row in reversed(made)}
        known = _write(project.pk, list(rows.values()), meters, at)
        _forget(project.pk, rows.values(), meters, people)
    if not known and len(rows) == len(entries):
        return list(map(_recorded, rows))
    return [_outcome(each, draft, rows, known) for each, draft in zip(entries, drafts, strict=True)]


_row = Row._make  # much cheaper than naming each


class _Times(NamedTuple):
    """Between which moments a use may lie that arrives now."""

    earliest: datetime
    now: datetime
    latest: datetime


class _Columns(NamedTuple):
    """Entries, field by field: a thousand are judged and written by a few calls."""

    user_ids: tuple[str, ...]
    codes: tuple[str, ...]
    values: tuple[int | str | None, ...]
    moments: tuple[datetime | None, ...]
    keys: tuple[str | None, ...]


def _are_fine(given: _Columns, meters: Mapping[str, Meter], times: _Times) -> bool:
    """Whether :func:`_screen` refuses none of them."""
    codes = set(given.codes)
    if not all(code in meters and meters[code].archived_at is None for code in codes):
        return False
    moments = set(given.moments) - {None}
    if not all(times.earliest <= each <= times.latest for each in moments if each):
        return False
    if len(codes) == 1:
        return _are_values(given.values, meters[given.codes[0]].aggregation)
    said: dict[str, list[int | str | None]] = {code: [] for code in codes}
    for code, value in zip(given.codes, given.values, strict=True):
        said[code].append(value)
    return all(_are_values(values, meters[code].aggregation) for code, values in said.items())


def _are_values(values: Sequence[Any], aggregation: str) -> bool:
    """Whether :func:`screen_value` refuses none of them."""
    if aggregation == COUNT:
        return True
    kinds = set(map(type, values))
    if aggregation == UNIQUE:
        return kinds == {str} and min(map(len, values)) > 0 and max(map(len, values)) <= LONGEST
    return kinds == {int} and min(values) >= 0 and max(values) <= LARGEST


def _screen(entry: Entry, meter: Meter | None, times: _Times) -> DomainError | None:
    """Why this cannot be taken, as far as its meter and its time tell."""
    if meter is None:
        return MeterUnknown("Define it with POST /meters, or see GET /meters for what there is.")
    if meter.archived_at is not None:
        return MeterArchived("Restore it with PATCH /meters/{code}, or count with another one.")
    if entry.occurred_at is not None:
        if entry.occurred_at > times.latest:
            return UsageInFuture("Send a record once the use has happened; check your clock.")
        if entry.occurred_at < times.earliest:
            days = (times.now - times.earliest).days
            return UsageTooOld(f"Send records within {days} days of the use.")
    return screen_value(entry.value, meter.aggregation)


def screen_value(value: int | str | None, aggregation: str) -> DomainError | None:
    """Why a meter of this kind cannot take the value; None when it can."""
    if aggregation == COUNT:
        return None
    if aggregation == UNIQUE:
        if isinstance(value, str) and 0 < len(value) <= LONGEST:
            return None
        return UsageValueInvalid(f"This meter tells texts of 1 to {LONGEST} characters apart.")
    if type(value) is int and 0 <= value <= LARGEST:
        return None
    return UsageValueInvalid(f"This meter takes whole numbers from 0 to {LARGEST}.")


def _draft(entry: Entry, customer_id: str | None, meter: Meter, at: datetime) -> Row | DomainError:
    """The record to be stored, or why there can be none."""
    if customer_id is None:
        return customers.CustomerDeleted("Use your own id of the user: a new customer is made.")
    (id_,) = record_ids.of_keys([entry.key], project_id=meter.project_id, at=at)
    value, member = _stored(entry.value, meter.aggregation)
    moment = entry.occurred_at or at
    return _row((id_, customer_id, meter.id, moment, value, member, meter.is_forwarded))


def _rows(
    given: _Columns, people: Mapping[str, str], meters: Mapping[str, Meter], at: datetime
) -> list[Row]:
    """As :func:`_draft` of each, where there is nothing to refuse."""
    first = meters[given.codes[0]]
    ids = record_ids.of_keys(given.keys, project_id=first.project_id, at=at)
    customer_ids = map(people.__getitem__, given.user_ids)
    moments = [each or at for each in given.moments]
    if len(meters) == 1 and first.aggregation not in (COUNT, UNIQUE):
        told = (repeat(first.id), moments, given.values, repeat(None), repeat(first.is_forwarded))
        return list(map(_row, zip(ids, customer_ids, *told, strict=False)))
    chosen = [meters[code] for code in given.codes]
    stored = map(_stored, given.values, [meter.aggregation for meter in chosen])
    return [
        _row((id_, customer_id, meter.id, moment, value, member, meter.is_forwarded))
        for id_, customer_id, meter, moment, (value, member) in zip(
            ids, customer_ids, chosen, moments, stored, strict=True
        )
    ]


def _stored(said: int | str | None, aggregation: str) -> tuple[int, bytes | None]:
    """A screened value and member, as a meter of this kind keeps them."""
    if aggregation == COUNT:
        return 1, None
    if aggregation == UNIQUE:
        return 1, record_ids.member(str(said))
    return int(said or 0), None


def _write(
    project_id: str, rows: Sequence[Row], meters: Mapping[str, Meter], at: datetime
) -> dict[str, Row]:
    """Store and count what is new; what was known, by id."""
    if not rows:
        return {}
    stripes.share({row.customer_id for row in rows})
    pairs = set(map(PAIR, rows))
    counters = totals.lock_counters(project_id=project_id, pairs=list(pairs))
    known = storing.store(project_id=project_id, rows=rows, at=at)
    fresh = [row for row in rows if row.id not in known] if known else rows
    if fresh:
        uses = map(USE, fresh)
        by_id = {meter.pk: meter for meter in meters.values()}
        totals.add(project_id=project_id, uses=uses, counters=counters, meters=by_id, at=at)
    return known


def _forget(
    project_id: str, rows: Iterable[Row], meters: Mapping[str, Meter], people: Mapping[str, str]
) -> None:
    """After the commit, no answer that a limit on these figures was held against is shown."""
    watched = {meter.pk for meter in meters.values() if meter.is_watched}
    if not watched:
        return
    moved = {row.customer_id for row in rows if row.meter_id in watched}
    names = {*moved, *(name for name, customer in people.items() if customer in moved)}
    transaction.on_commit(lambda: cache.forget(project_id=project_id, names=names), robust=True)


def _recorded(id_: str) -> Outcome:
    return Outcome._make((RECORDED, id_, None))


def _outcome(
    entry: Entry, draft: Row | DomainError, rows: Mapping[str, Row], known: Mapping[str, Row]
) -> Outcome:
    if not isinstance(draft, Row):
        return Outcome(Status.REFUSED, refusal=draft)
    before = known.get(draft.id, rows[draft.id])
    if before is draft:
        return _recorded(draft.id)
    if before.repeats(draft) and entry.occurred_at in (None, before.occurred_at):
        return Outcome(Status.DUPLICATE, draft.id)
    return Outcome(Status.REFUSED, refusal=UsageKeyReused("Give each record a key of its own."))
