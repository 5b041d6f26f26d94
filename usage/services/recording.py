"""Take records of use: each once, each counted in the transaction that stores it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from common.errors import DomainError
from projects.models import Project
from projects.services import customers
from usage import cache, record_ids
from usage.errors import (
    MeterArchived,
    MeterUnknown,
    UsageInFuture,
    UsageKeyReused,
    UsageTooOld,
    UsageValueInvalid,
)
from usage.models import Meter
from usage.models.meter import Aggregation
from usage.selectors import meters as stored_meters
from usage.services import storing, stripes, totals
from usage.services.storing import Row

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
    meters = stored_meters.find_many(project=project, codes={each.meter for each in entries})
    times = _Times(at - settings.USAGE.late_window, at, at + settings.USAGE.early_window)
    screened = [_screen(each, meters.get(each.meter), times) for each in entries]
    user_ids = {
        each.user_id for each, refusal in zip(entries, screened, strict=True) if refusal is None
    }
    if not user_ids:
        return [Outcome(Status.REFUSED, refusal=refusal) for refusal in screened]
    with transaction.atomic():
        people = customers.ensure_ids(project=project, user_ids=user_ids, at=at)
        drafts = [
            refusal or _draft(each, people.get(each.user_id), meters[each.meter], at)
            for each, refusal in zip(entries, screened, strict=True)
        ]
        rows: dict[str, Row] = {}
        for draft in drafts:
            if isinstance(draft, Row):
                rows.setdefault(draft.id, draft)
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
    _, _, said, occurred_at, key = entry
    value, member, aggregation = 1, None, meter.aggregation
    if aggregation == UNIQUE:
        member = record_ids.member(str(said))
    elif aggregation != COUNT:
        value = int(said or 0)
    id_ = record_ids.fresh(at) if key is None else record_ids.of_key(meter.project_id, key)
    moment = occurred_at or at
    return _row((id_, customer_id, meter.id, moment, value, member, meter.is_forwarded))


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
