"""What is to be asked of Stripe about records that wait for it, and what becomes of the others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from billing.models import StripeCustomer
from billing.operations.selectors import metered_use
from billing.operations.selectors.metered_use import Known
from billing.stripe import meters
from usage.models import Record
from usage.models.record import Forwarding
from usage.reporting import forwarding, meter_events
from usage.reporting.forwarding import ForwardingResult
from usage.reporting.meter_events import (
    LARGE_VALUE,
    EventWindow,
    MeterEvent,
    MeterEventResult,
    identifier_of,
    new_identifier,
)

CANCELABLE = timedelta(hours=24)
"""For so long after it was told Stripe takes an event back."""
SURE = timedelta(hours=23)
"""For so long Stripe certainly knows an identifier again."""
MINUTE = timedelta(minutes=1)
IN_TIME = meters.LONGEST_PAST - timedelta(hours=1)
"""How old the records of an event may be that is taken back to be told anew without one."""

TOO_OLD = "It happened more than 35 days ago: Stripe does not bill it any more."
NOT_KNOWN = (
    "Stripe was asked to count it and never answered. After a day the same event would count "
    "twice. Compare with Stripe, then try again if it is missing there."
)
TOO_LATE = (
    "Stripe takes an event back within 24 hours after it was told only, and has billed or will "
    "bill this one: give the customer a credit."
)
GONE = (
    "Stripe was asked to count it and never answered, and has no such customer any more. Compare "
    "with Stripe."
)
NOT_ALONE = (
    "Stripe was told of it together with other use of the same minute, which is too old to be told "
    "anew: give the customer a credit."
)


class Plan(NamedTuple):
    """What is to be done about some records."""

    known: Sequence[Known]
    buyers: dict[tuple[str, str], StripeCustomer]
    settled: Sequence[ForwardingResult]
    """Records that come to an end without Stripe."""
    ended: Sequence[MeterEventResult]
    """Events that do."""
    tell: Sequence[MeterEvent]
    """Events that Stripe was, or may have been, told of before, and those of ``fresh``."""
    fresh: Sequence[MeterEvent]
    take_back: Sequence[MeterEvent]


class _Sorted:
    """Records by what they need."""

    def __init__(self) -> None:
        self.settled: list[ForwardingResult] = []
        self.fresh: list[Record] = []
        self.made: dict[tuple[str, str], EventWindow] = {}
        """Events that were made before, by meter and identifier."""
        self.told_at: dict[tuple[str, str], datetime] = {}
        self.void: dict[tuple[str, str], list[Record]] = {}


def make(*, records: Sequence[Record], known: Sequence[Known], at: datetime) -> Plan:
    """Decide what becomes of each; records that nobody was told of get their event here."""
    by_meter = {each.meter_id: each for each in known}
    buyers = metered_use.buyers(records)
    found = _Sorted()
    for record in records:
        _sort(record, by_meter[record.meter_id], buyers, found, at)
    fresh = _fix(found.fresh, by_meter, at)
    made = meter_events.find(windows=list(found.made.values()))
    tell, take_back, ended = [*fresh], [], []
    for event in made:
        key = (event.meter_id, event.identifier)
        voids = found.void.get(key, [])
        account = by_meter[event.meter_id].account
        assert account is not None
        if event.pending:
            is_known = (account.pk, event.customer_id) in buyers
            end = _end_of_unanswered(event, found.told_at[key], is_known, at)
            ended += [end] if end else []
            tell += [] if end else [event]
        elif voids and event.records > len(voids) and at - event.first > IN_TIME:
            found.settled += [
                ForwardingResult(each, Forwarding.REFUSED, NOT_ALONE) for each in voids
            ]
        else:
            take_back.append(event)
    return Plan(known, buyers, found.settled, ended, tell, fresh, take_back)


def wake(plan: Plan, at: datetime) -> None:
    """Customers whom Stripe came to know while we looked: nobody else wakes these records."""
    waiting = [each.record for each in plan.settled if each.outcome is Forwarding.WAITING]
    for buyer in metered_use.buyers(waiting).values():
        forwarding.release_waiting(
            project_id=buyer.project_id,
            customer_id=buyer.customer_id,
            since=at - meters.LONGEST_PAST,
        )


def _sort(
    record: Record,
    known: Known,
    buyers: dict[tuple[str, str], StripeCustomer],
    found: _Sorted,
    at: datetime,
) -> None:
    told_at = record.forwarded_at
    is_void = record.forwarding == Forwarding.CANCELING
    if known.account is None or (is_void and told_at is None):
        found.settled.append(ForwardingResult(record, Forwarding.NONE, is_known=False))
    elif is_void and told_at is not None and at - told_at >= CANCELABLE:
        found.settled.append(ForwardingResult(record, Forwarding.REFUSED, TOO_LATE))
    elif told_at is not None:
        key = (record.meter_id, identifier_of(record))
        found.made[key] = _around(record)
        found.told_at[key] = told_at
        if is_void:
            found.void.setdefault(key, []).append(record)
    elif (known.account.pk, record.customer_id) not in buyers:
        found.settled.append(ForwardingResult(record, Forwarding.WAITING, is_known=False))
    elif at - record.occurred_at > meters.LONGEST_PAST:
        found.settled.append(ForwardingResult(record, Forwarding.REFUSED, TOO_OLD, is_known=False))
    else:
        found.fresh.append(record)


def _around(record: Record) -> EventWindow:
    """Where all records of its event lie."""
    start = record.occurred_at.replace(second=0, microsecond=0)
    return EventWindow(
        record.project_id,
        record.customer_id,
        record.meter_id,
        start,
        start + MINUTE,
        identifier_of(record),
    )


def _end_of_unanswered(
    event: MeterEvent, told_at: datetime, is_known: bool, at: datetime
) -> MeterEventResult | None:
    """Of one that must not, or cannot, be told again."""
    if not is_known:
        return MeterEventResult(event, Forwarding.REFUSED, GONE)
    if at - told_at > SURE:
        return MeterEventResult(event, Forwarding.REFUSED, NOT_KNOWN)
    if at - event.last > meters.LONGEST_PAST:
        return MeterEventResult(event, Forwarding.REFUSED, TOO_OLD)
    return None


def _fix(records: Sequence[Record], by_meter: dict[str, Known], at: datetime) -> list[MeterEvent]:
    summed = [
        each for each in records if by_meter[each.meter_id].adds_up and each.value < LARGE_VALUE
    ]
    taken = {each.id for each in summed}
    alone = [each for each in records if each.id not in taken]
    cuts = metered_use.period_bounds(summed)
    windows = {(each.customer_id, each.meter_id, *_minute(each, cuts)): each for each in summed}
    gathered = meter_events.gather(
        windows=[
            EventWindow(
                each.project_id,
                customer_id,
                meter_id,
                since,
                until,
                new_identifier(customer_id, since),
            )
            for (customer_id, meter_id, since, until), each in windows.items()
        ],
        oldest=at - meters.LONGEST_PAST,
        at=at,
    )
    identifiers = [new_identifier(each.customer_id, each.occurred_at) for each in alone]
    return gathered + meter_events.assign_each(records=alone, identifiers=identifiers, at=at)


def _minute(
    record: Record, cuts: dict[tuple[str, str], list[datetime]]
) -> tuple[datetime, datetime]:
    """The minute in which it happened, as far as it belongs to one billing period."""
    since = record.occurred_at.replace(second=0, microsecond=0)
    until = since + MINUTE
    for cut in cuts.get((record.customer_id, record.meter_id), ()):
        if since < cut <= record.occurred_at:
            since = cut
        elif record.occurred_at < cut < until:
            until = cut
    return since, until
