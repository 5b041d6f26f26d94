"""Report usage of metered prices to Stripe, and cancel reports of voided usage.

No intents are needed: the records name the meter event that reports them
(``usage.reporting.meter_events``). Stripe recognizes an event's identifier for a day, so an
unanswered event is reported again within 23 hours; after that it waits for an operator, because
Stripe might count it twice. After a crash the records are still *pending* and are reported again.

Accounts are divided into shards, each with one worker at a time. Within a shard meters take turns,
and accounts that do not answer back off (``request_back_off``).
"""

import random
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import chain, zip_longest
from typing import Any, NamedTuple

import structlog
from django.db import transaction

from billing.models import StripeAccount
from billing.operations import usage_plans, usage_refusals
from billing.operations.selectors import metered_use
from billing.operations.selectors.metered_use import MeterAtStripe
from billing.operations.usage_plans import ForwardingPlan
from billing.stripe import meters, writes
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeBusy,
    StripeCredentialsRefused,
    StripeFailed,
    StripeMalformed,
)
from billing.stripe.fields import Fields
from billing.sync.request_back_off import RequestBackOff
from common.errors import DomainError
from common.ids import new_id
from common.locks import try_advisory_lock
from usage.models.record import Forwarding
from usage.reporting import forwarding, meter_events
from usage.reporting import selectors as forwarding_selectors
from usage.reporting.meter_events import MeterEvent, MeterEventResult

log = structlog.get_logger(__name__)

SHARDS = 4
"""Greatest number of workers at a time, each with its own accounts."""
RECORDS_PER_ROUND = 2000
"""Records per round, divided among the meters."""
RUN_SECONDS = 15.0
"""Time after which a run starts no further round."""
SENDERS = 4
"""Concurrent requests; fewer than a process may have, so that other work can send too."""
NOTHING_DONE = (StripeCredentialsRefused, StripeBusy)
"""Refusals after which Stripe has certainly counted nothing."""
REPORT, CANCEL = "meter_event.create", "meter_event_adjustment.create"


class MeterEventAnswer(NamedTuple):
    """The result of a request. Without ``ended`` and ``error`` its effect at Stripe is unknown."""

    job: "MeterEventRequest"
    ended: MeterEventResult | None
    error: DomainError | None


class MeterEventRequest(NamedTuple):
    """One request to send for an event."""

    event: MeterEvent
    account: StripeAccount
    operation: str
    params: Fields
    key: str


def forward_due(*, at: datetime, clock: Callable[[], float] = time.monotonic) -> int:
    """Report all waiting records; returns the number of events and records that ended."""
    deadline = clock() + RUN_SECONDS
    shards = list(range(SHARDS))
    random.shuffle(shards)
    ended = 0
    for shard in shards if forwarding_selectors.lanes() else ():
        with try_advisory_lock(f"billing.forward_usage.{shard}") as is_ours:
            if is_ours:
                ended += _run(shard, at, clock, deadline)
    return ended


def _run(shard: int, at: datetime, clock: Callable[[], float], deadline: float) -> int:
    back_off = RequestBackOff()
    ended = 0
    while clock() < deadline:
        meters_at_stripe = metered_use.find_meters(forwarding_selectors.lanes())
        own_meters = [
            meter
            for meter in meters_at_stripe
            if _shard(meter) == shard and not _is_backing_off(meter, back_off)
        ]
        records = forwarding_selectors.due(
            lanes=[meter.meter_id for meter in own_meters], limit=RECORDS_PER_ROUND
        )
        if not records:
            break
        plan = usage_plans.make_plan(records=records, meters_at_stripe=own_meters, at=at)
        newly_ended = _carry_out(plan, back_off, at)
        if not newly_ended:
            break
        ended += newly_ended
    return ended


def _shard(meter: MeterAtStripe) -> int:
    """The shard of the meter's account; shard 0 for meters that Stripe does not have."""
    return zlib.crc32(meter.account.pk.encode()) % SHARDS if meter.account else 0


def _is_backing_off(meter: MeterAtStripe, back_off: RequestBackOff) -> bool:
    if meter.account is None:
        return False
    return all(
        back_off.is_backing_off(meter.account.pk, operation) for operation in (REPORT, CANCEL)
    )


def _carry_out(plan: ForwardingPlan, back_off: RequestBackOff, at: datetime) -> int:
    """Send the planned requests and store their results; returns how many ended."""
    meters_by_id = {meter.meter_id: meter for meter in plan.meters}
    jobs = [_report_request(event, meters_by_id[event.meter_id], plan) for event in plan.reports]
    jobs += [_cancel_request(event, meters_by_id[event.meter_id]) for event in plan.cancellations]
    answers = _send_all(_alternate_accounts(jobs, back_off), back_off)
    sent = {
        answer.job.event.identifier
        for answer in answers
        if not isinstance(answer.error, NOTHING_DONE)
    }
    ended = [(answer.job, answer.ended) for answer in answers if answer.ended is not None]
    reported = [outcome for job, outcome in ended if job.operation == REPORT]
    canceled = [outcome.event for _, outcome in ended if outcome.outcome is Forwarding.CANCELED]
    refused_cancellations = [
        (job.event, outcome.error) for job, outcome in ended if _is_kept(job, outcome)
    ]
    unsent = [event for event in plan.fresh if event.identifier not in sent]
    results = [*plan.ended, *reported]
    with transaction.atomic():
        usage_refusals.lock_customers(
            settled=plan.settled,
            ended=results,
            kept=[event for event, _ in refused_cancellations],
        )
        forwarding.record_results(outcomes=plan.settled)
        meter_events.record_results(outcomes=results)
        meter_events.discard(events=unsent)
        meter_events.record_cancellation(events=canceled)
        voids = forwarding.refuse_voids(events=refused_cancellations)
        usage_refusals.record_events(settled=plan.settled, ended=results, voids=voids, at=at)
    usage_plans.wake_records(plan, at)
    return len(plan.settled) + len(plan.ended) + len(ended)


def _is_kept(job: MeterEventRequest, ended: MeterEventResult) -> bool:
    """Whether Stripe refused to cancel the event."""
    return job.operation == CANCEL and ended.outcome is Forwarding.REFUSED


def _alternate_accounts(
    jobs: Sequence[MeterEventRequest], back_off: RequestBackOff
) -> list[MeterEventRequest]:
    """Order the requests so that accounts alternate; one request for an account that is failing."""
    by_account: dict[tuple[str, str], list[MeterEventRequest]] = {}
    for job in jobs:
        if not back_off.is_backing_off(job.account.pk, job.operation):
            by_account.setdefault((job.account.pk, job.operation), []).append(job)
    for (account_id, operation), own_jobs in by_account.items():
        if back_off.has_failed(account_id, operation):
            del own_jobs[1:]
    rounds = zip_longest(*by_account.values())
    return [job for job in chain.from_iterable(rounds) if job is not None]


def _report_request(
    event: MeterEvent, meter: MeterAtStripe, plan: ForwardingPlan
) -> MeterEventRequest:
    assert meter.account is not None
    params = meters.event(
        event_name=meter.event_name,
        identifier=event.identifier,
        customer_stripe_id=plan.buyers[meter.account.pk, event.customer_id].stripe_id or "",
        value=event.value,
        at=event.last,
    )
    return MeterEventRequest(event, meter.account, REPORT, params, new_id("req"))


def _cancel_request(event: MeterEvent, meter: MeterAtStripe) -> MeterEventRequest:
    assert meter.account is not None
    params = meters.cancellation(event_name=meter.event_name, identifier=event.identifier)
    return MeterEventRequest(event, meter.account, CANCEL, params, f"{event.identifier}-cancel")


def _send_request(
    job: MeterEventRequest, *, client: Any, stopped_keys: set[tuple[str, str]]
) -> MeterEventAnswer | None:
    """Send a request and return the result; None if an earlier failure stopped its account.

    Runs in a thread of its own and does not use the database.
    """
    key = (job.account.pk, job.operation)
    if key in stopped_keys:
        return None
    is_report = job.operation == REPORT
    try:
        _send(job, client)
    except DomainError as error:
        if RequestBackOff.is_of_account(error):
            stopped_keys.add(key)
            return MeterEventAnswer(job, None, error)
        if isinstance(error, StripeMalformed):
            return MeterEventAnswer(job, None, None)
        ended = MeterEventResult(
            job.event, Forwarding.REFUSED, error.detail, is_known=not is_report
        )
        return MeterEventAnswer(job, ended, None)
    return MeterEventAnswer(
        job,
        MeterEventResult(job.event, Forwarding.REPORTED if is_report else Forwarding.CANCELED),
        None,
    )


def _send_all(
    jobs: Sequence[MeterEventRequest], back_off: RequestBackOff
) -> list[MeterEventAnswer]:
    """Send these requests, SENDERS at a time; an account that stops answering is left out."""
    clients: dict[str, Any] = {}
    for account in {job.account.pk: job.account for job in jobs}.values():
        try:
            clients[account.pk] = client_for(account)
        except DomainError as error:
            back_off.record_failure(account.pk, REPORT, error)
    stopped_keys: set[tuple[str, str]] = set()

    def send(job: MeterEventRequest) -> MeterEventAnswer | None:
        return _send_request(job, client=clients[job.account.pk], stopped_keys=stopped_keys)

    with ThreadPoolExecutor(SENDERS) as pool:
        results = pool.map(send, [job for job in jobs if job.account.pk in clients])
        answers = [answer for answer in results if answer is not None]
    _update_back_off(answers, back_off)
    return answers


def _update_back_off(answers: Sequence[MeterEventAnswer], back_off: RequestBackOff) -> None:
    """Record one failure per account and operation that failed, and one success per other."""
    failed: dict[tuple[str, str], DomainError] = {}
    answered: set[tuple[str, str]] = set()
    for answer in answers:
        key = (answer.job.account.pk, answer.job.operation)
        if answer.error is not None:
            failed.setdefault(key, answer.error)
        elif answer.ended is not None:
            answered.add(key)
    for key in sorted(answered - failed.keys()):
        back_off.record_answer(*key)
    for key, error in failed.items():
        back_off.record_failure(*key, error)


def _send(job: MeterEventRequest, client: Any) -> None:
    """Send the request; if Stripe replays a stored error, send it once more with another key. The
    event's identifier stays the same."""
    try:
        writes.send(client, job.operation, target="", params=job.params, idempotency_key=job.key)
    except StripeFailed as failed:
        if not failed.replayed:
            raise
        writes.send(
            client, job.operation, target="", params=job.params, idempotency_key=new_id("req")
        )
