"""Tell Stripe what was used of metered prices, and take back what was voided.

No intents: the usage record itself is what was written down, and its id is the identifier by
which Stripe knows an event that comes again. That holds for a day, so a record whose telling was
never answered is told again within 23 hours, and after that waits for a person: Stripe might
count it twice. Whatever crashes, the record is still *pending* and is told again.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from billing.models import StripeAccount, StripeCustomer, StripeMeter
from billing.stripe import meters, writes
from billing.stripe.client import client_for
from billing.stripe.errors import StripeCredentialsRefused, StripeFailed, StripeUnavailable
from billing.stripe.fields import Fields
from common.errors import DomainError
from common.ids import new_id
from common.locks import only_one
from usage.models import Record
from usage.models.record import Forwarding
from usage.selectors import forwarding as stored
from usage.services import forwarding
from usage.services.forwarding import Settled

log = structlog.get_logger(__name__)

CANCELABLE = timedelta(hours=24)
"""For so long after it was told Stripe takes an event back."""
SURE = timedelta(hours=23)
"""For so long Stripe certainly knows an identifier again."""
BATCH = 200
RUN = 5000
"""Records that one run looks at, at most."""
PATIENCE = 15.0
"""Seconds after which a run begins no other batch."""
SENDERS = 4
"""Requests at a time; fewer than a process may have, so that others find a place."""

TOO_OLD = "It happened more than 35 days ago: Stripe does not bill it any more."
NOT_KNOWN = (
    "Stripe was asked to count it and never answered. After a day the same event would count "
    "twice. Compare with Stripe, then try again if it is missing there."
)
TOO_LATE = (
    "Stripe takes an event back within 24 hours after it was told only, and has billed or will "
    "bill this one: give the customer a credit."
)


class Job(NamedTuple):
    """One request to be sent for a record."""

    record: Record
    account: StripeAccount
    operation: str
    params: Fields
    key: str


def forward_due(*, at: datetime, clock: Callable[[], float] = time.monotonic) -> int:
    """Tell Stripe of every record that waits for it; how many came to an end.

    Only one process does this at a time. An account that does not answer is left alone for the
    rest of the run; the others go on.
    """
    with only_one("billing.forward_usage") as is_ours:
        return _run(at, clock) if is_ours else 0


def _run(at: datetime, clock: Callable[[], float]) -> int:
    stop = clock() + PATIENCE
    silent: set[str] = set()
    seen: set[str] = set()
    after: datetime | None = None
    looked = ended = 0
    while looked < RUN and clock() < stop:
        records = stored.due(after=after, seen=seen, limit=BATCH)
        if not records:
            break
        last = records[-1].recorded_at
        seen = {each.id for each in records if each.recorded_at == last} | (
            seen if last == after else set()
        )
        after = last
        looked += len(records)
        ended += _forward(records, silent, at)
    return ended


def _forward(records: Sequence[Record], silent: set[str], at: datetime) -> int:
    """See these as far as Stripe answers; how many came to an end."""
    known, buyers = _meters(records), _buyers(records)
    outcomes: list[Settled] = []
    jobs: list[Job] = []
    for record in records:
        meter = known.get(record.meter_id)
        buyer = buyers.get((meter.account_id, record.customer_id)) if meter else None
        planned = _plan(record, meter, buyer, at)
        if isinstance(planned, Settled):
            outcomes.append(planned)
        elif planned.account.pk not in silent:
            jobs.append(planned)
    forwarding.mark(records=[each.record for each in jobs], at=at)
    with ThreadPoolExecutor(SENDERS) as pool:
        outcomes += [each for each in pool.map(lambda job: _ask(job, silent), jobs) if each]
    forwarding.settle(outcomes=outcomes)
    _wake([each.record for each in outcomes if each.outcome is Forwarding.WAITING], at)
    refused = sum(1 for each in outcomes if each.outcome is Forwarding.REFUSED)
    if refused:
        log.warning("usage_refused", records=refused)
    return len(outcomes)


def _plan(
    record: Record, meter: StripeMeter | None, buyer: StripeCustomer | None, at: datetime
) -> Job | Settled:
    """What to ask of Stripe, or what becomes of the record without asking."""
    if meter is None:
        return Settled(record, Forwarding.NONE, is_known=False)
    if record.forwarding == Forwarding.CANCELING:
        if record.forwarded_at is None:
            return Settled(record, Forwarding.NONE, is_known=False)
        if at - record.forwarded_at >= CANCELABLE:
            return Settled(record, Forwarding.REFUSED, TOO_LATE)
        params = meters.cancellation(event_name=meter.event_name, identifier=record.id)
        key = f"{record.id}-cancel"
        return Job(record, meter.account, "meter_event_adjustment.create", params, key)
    if buyer is None:
        return Settled(record, Forwarding.WAITING, is_known=False)
    if record.forwarded_at is not None and at - record.forwarded_at > SURE:
        return Settled(record, Forwarding.REFUSED, NOT_KNOWN)
    if at - record.occurred_at > meters.LONGEST_PAST:
        is_known = record.forwarded_at is not None
        return Settled(record, Forwarding.REFUSED, TOO_OLD, is_known=is_known)
    params = meters.event(
        event_name=meter.event_name,
        identifier=record.id,
        customer_stripe_id=buyer.stripe_id or "",
        value=record.value,
        at=record.occurred_at,
    )
    return Job(record, meter.account, "meter_event.create", params, new_id("req"))


def _ask(job: Job, silent: set[str]) -> Settled | None:
    """Stripe's answer; None while it is not known what it did."""
    record = job.record
    is_told = job.operation == "meter_event.create"
    if job.account.pk in silent:
        return None
    try:
        _send(job)
    except StripeFailed:
        return None
    except (StripeUnavailable, StripeCredentialsRefused) as away:
        silent.add(job.account.pk)
        log.info("stripe_away", account=job.account.pk, outcome=away.code)
        return None
    except DomainError as refusal:
        return Settled(record, Forwarding.REFUSED, refusal.detail, is_known=not is_told)
    return Settled(record, Forwarding.TOLD if is_told else Forwarding.CANCELED)


def _send(job: Job) -> None:
    """Once more under another key if Stripe only repeats an error: the identifier stays."""
    client = client_for(job.account)
    try:
        writes.send(client, job.operation, target="", params=job.params, idempotency_key=job.key)
    except StripeFailed as failed:
        if not failed.replayed:
            raise
        writes.send(
            client, job.operation, target="", params=job.params, idempotency_key=new_id("req")
        )


def _wake(records: Sequence[Record], at: datetime) -> None:
    """Customers whom Stripe came to know while we looked: nobody else wakes these records."""
    for buyer in _buyers(records).values():
        forwarding.wake(
            project_id=buyer.project_id,
            customer_id=buyer.customer_id,
            since=at - meters.LONGEST_PAST,
        )


def _meters(records: Sequence[Record]) -> dict[str, StripeMeter]:
    """By meter, what Stripe calls it: in the account in which it was made last."""
    rows = StripeMeter.objects.across_projects().filter(
        meter_id__in={each.meter_id for each in records}
    )
    return {each.meter_id: each for each in rows.select_related("account").order_by("id")}


def _buyers(records: Sequence[Record]) -> dict[tuple[str, str], StripeCustomer]:
    """By account and customer, whom Stripe knows."""
    rows = StripeCustomer.objects.across_projects().filter(
        customer_id__in={each.customer_id for each in records},
        deleted_at__isnull=True,
        stripe_id__isnull=False,
    )
    return {(each.account_id, each.customer_id): each for each in rows}
