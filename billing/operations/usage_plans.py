"""Plan requests for usage records that wait for Stripe, and end records that need none."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from billing.models import StripeCustomer
from billing.operations.selectors import metered_use
from billing.operations.selectors.metered_use import MeterAtStripe
from billing.stripe import meters
from projects.customers import selectors as customers
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

CANCEL_WINDOW = timedelta(hours=24)
"""Time after its report in which Stripe cancels an event."""
IDENTIFIER_WINDOW = timedelta(hours=23)
"""Time in which Stripe certainly recognizes an identifier."""
MINUTE = timedelta(minutes=1)
MAX_AGE_OF_REPORT = meters.LONGEST_PAST - timedelta(hours=1)
"""Greatest age of an event that is canceled and reported again without its voided records."""

TOO_OLD = "It happened more than 35 days ago, so Stripe does not bill it."
UNANSWERED = (
    "It was reported to Stripe, which never answered. After a day the same event would count "
    "twice. Compare with Stripe, then try again if it is missing there."
)
TOO_LATE = (
    "Stripe cancels an event only within 24 hours after its report. It has billed or will bill "
    "this usage: give the customer a credit."
)
GONE = (
    "It was reported to Stripe, which never answered, and the customer was deleted at Stripe. "
    "Compare with Stripe."
)
NOT_ALONE = (
    "It was reported together with other usage of the same minute, which is too old to be "
    "reported again: give the customer a credit."
)


class ForwardingPlan(NamedTuple):
    """The requests and outcomes for some records."""

    meters: Sequence[MeterAtStripe]
    buyers: dict[tuple[str, str], StripeCustomer]
    settled: Sequence[ForwardingResult]
    """Records that end without a request."""
    ended: Sequence[MeterEventResult]
    """Events that end without a request."""
    reports: Sequence[MeterEvent]
    """Events to report: unanswered ones, and those of ``fresh``."""
    fresh: Sequence[MeterEvent]
    cancellations: Sequence[MeterEvent]


class _SortedRecords:
    """Records sorted by their next step."""

    def __init__(self) -> None:
        self.settled: list[ForwardingResult] = []
        self.fresh: list[Record] = []
        self.windows: dict[tuple[str, str], EventWindow] = {}
        """Windows of existing events, by meter and identifier."""
        self.told_at: dict[tuple[str, str], datetime] = {}
        self.voided: dict[tuple[str, str], list[Record]] = {}


def make_plan(
    *, records: Sequence[Record], meters_at_stripe: Sequence[MeterAtStripe], at: datetime
) -> ForwardingPlan:
    """Plan the next step of each record; records without an event get one."""
    meters_by_id = {meter.meter_id: meter for meter in meters_at_stripe}
    buyers = metered_use.buyers(records)
    sorted_records = _SortedRecords()
    for record in records:
        _sort(record, meters_by_id[record.meter_id], buyers, sorted_records, at)
    fresh = _assign_events(sorted_records.fresh, meters_by_id, at)
    existing = meter_events.find(windows=list(sorted_records.windows.values()))
    reports, cancellations, ended = [*fresh], [], []
    for event in existing:
        key = (event.meter_id, event.identifier)
        voids = sorted_records.voided.get(key, [])
        account = meters_by_id[event.meter_id].account
        assert account is not None
        if event.pending:
            has_buyer = (account.pk, event.customer_id) in buyers
            outcome = _end_of_unanswered(event, sorted_records.told_at[key], has_buyer, at)
            ended += [outcome] if outcome else []
            reports += [] if outcome else [event]
        elif voids and event.records > len(voids) and at - event.first > MAX_AGE_OF_REPORT:
            sorted_records.settled += [
                ForwardingResult(record, Forwarding.REFUSED, NOT_ALONE) for record in voids
            ]
        else:
            cancellations.append(event)
    return ForwardingPlan(
        meters_at_stripe, buyers, sorted_records.settled, ended, reports, fresh, cancellations
    )


def wake_records(plan: ForwardingPlan, at: datetime) -> None:
    """Wake records whose customer was created at Stripe during this run; nothing else does."""
    waiting = [outcome.record for outcome in plan.settled if outcome.outcome is Forwarding.WAITING]
    for buyer in metered_use.buyers(waiting).values():
        with transaction.atomic():
            customers.lock(project_id=buyer.project_id, customer_id=buyer.customer_id)
            forwarding.release_waiting(
                project_id=buyer.project_id,
                customer_id=buyer.customer_id,
                since=at - meters.LONGEST_PAST,
                at=at,
            )


def _sort(
    record: Record,
    meter: MeterAtStripe,
    buyers: dict[tuple[str, str], StripeCustomer],
    sorted_records: _SortedRecords,
    at: datetime,
) -> None:
    reported_at = record.forwarded_at
    is_void = record.forwarding == Forwarding.CANCELING
    if meter.account is None or (is_void and reported_at is None):
        sorted_records.settled.append(ForwardingResult(record, Forwarding.NONE, is_known=False))
    elif is_void and reported_at is not None and at - reported_at >= CANCEL_WINDOW:
        sorted_records.settled.append(ForwardingResult(record, Forwarding.REFUSED, TOO_LATE))
    elif reported_at is not None:
        key = (record.meter_id, identifier_of(record))
        sorted_records.windows[key] = _event_window(record)
        sorted_records.told_at[key] = reported_at
        if is_void:
            sorted_records.voided.setdefault(key, []).append(record)
    elif (meter.account.pk, record.customer_id) not in buyers:
        sorted_records.settled.append(ForwardingResult(record, Forwarding.WAITING, is_known=False))
    elif at - record.occurred_at > meters.LONGEST_PAST:
        sorted_records.settled.append(
            ForwardingResult(record, Forwarding.REFUSED, TOO_OLD, is_known=False)
        )
    else:
        sorted_records.fresh.append(record)


def _event_window(record: Record) -> EventWindow:
    """The window of the record's event: its minute."""
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
    event: MeterEvent, reported_at: datetime, has_buyer: bool, at: datetime
) -> MeterEventResult | None:
    """The outcome of an unanswered event that cannot be reported again; None for one that can."""
    if not has_buyer:
        return MeterEventResult(event, Forwarding.REFUSED, GONE)
    if at - reported_at > IDENTIFIER_WINDOW:
        return MeterEventResult(event, Forwarding.REFUSED, UNANSWERED)
    if at - event.last > meters.LONGEST_PAST:
        return MeterEventResult(event, Forwarding.REFUSED, TOO_OLD)
    return None


def _assign_events(
    records: Sequence[Record], by_meter: dict[str, MeterAtStripe], at: datetime
) -> list[MeterEvent]:
    """New meter events for these records: one per minute for small additive values, else one per
    record."""
    summed = [
        record
        for record in records
        if by_meter[record.meter_id].is_additive and record.value < LARGE_VALUE
    ]
    summed_ids = {record.id for record in summed}
    singles = [record for record in records if record.id not in summed_ids]
    bounds = metered_use.period_bounds(summed)
    windows = {
        (record.customer_id, record.meter_id, *_minute(record, bounds)): record for record in summed
    }
    gathered = meter_events.gather(
        windows=[
            EventWindow(
                record.project_id,
                customer_id,
                meter_id,
                since,
                until,
                new_identifier(customer_id, since),
            )
            for (customer_id, meter_id, since, until), record in windows.items()
        ],
        oldest=at - meters.LONGEST_PAST,
        at=at,
    )
    identifiers = [new_identifier(record.customer_id, record.occurred_at) for record in singles]
    return gathered + meter_events.assign_each(records=singles, identifiers=identifiers, at=at)


def _minute(
    record: Record, bounds: dict[tuple[str, str], list[datetime]]
) -> tuple[datetime, datetime]:
    """The minute of the record, cut at the bounds of billing periods."""
    since = record.occurred_at.replace(second=0, microsecond=0)
    until = since + MINUTE
    for bound in bounds.get((record.customer_id, record.meter_id), ()):
        if since < bound <= record.occurred_at:
            since = bound
        elif record.occurred_at < bound < until:
            until = bound
    return since, until
