"""Tell Stripe what was used of metered prices, and take back what was voided.

No intents: records are what was written down, and say by which meter event Stripe is told of them
(``usage.reporting.meter_events``). Stripe knows an event's identifier for a day, so one that was
never answered is told again within 23 hours, and after that waits for a person: Stripe might count
it twice. Whatever crashes, its records are still *pending* and it is told again.

The work is shared out by shards of accounts, each with one worker at a time. Within a shard meters
take turns, and accounts that do not answer back off (``request_back_off``).
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
from billing.operations.selectors.metered_use import Known
from billing.operations.usage_plans import Plan
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
from common.locks import only_one
from usage.models.record import Forwarding
from usage.reporting import forwarding, meter_events
from usage.reporting import selectors as forwarding_selectors
from usage.reporting.meter_events import MeterEvent, MeterEventResult

log = structlog.get_logger(__name__)

SHARDS = 4
"""So many workers may be at it, each with accounts of its own."""
ROUND = 2000
"""Records that one round looks at, shared out among the meters."""
PATIENCE = 15.0
"""Seconds after which a run begins no other round."""
SENDERS = 4
"""Requests at a time; fewer than a process may have, so that others find a place."""
NOTHING_DONE = (StripeCredentialsRefused, StripeBusy)
"""Refusals after which Stripe has certainly counted nothing."""
TELL, TAKE_BACK = "meter_event.create", "meter_event_adjustment.create"


class Answer(NamedTuple):
    """What became of a request. Without an end and an error: nobody knows what Stripe did."""

    job: "Job"
    ended: MeterEventResult | None
    error: DomainError | None


class Job(NamedTuple):
    """One request to be sent for an event."""

    event: MeterEvent
    account: StripeAccount
    operation: str
    params: Fields
    key: str


def forward_due(*, at: datetime, clock: Callable[[], float] = time.monotonic) -> int:
    """Tell Stripe of every record that waits for it; how many events and records came to an end."""
    stop = clock() + PATIENCE
    shards = list(range(SHARDS))
    random.shuffle(shards)
    ended = 0
    for shard in shards if forwarding_selectors.lanes() else ():
        with only_one(f"billing.forward_usage.{shard}") as is_ours:
            if is_ours:
                ended += _run(shard, at, clock, stop)
    return ended


def _run(shard: int, at: datetime, clock: Callable[[], float], stop: float) -> int:
    back_off = RequestBackOff()
    ended = 0
    while clock() < stop:
        known = metered_use.known(forwarding_selectors.lanes())
        mine = [each for each in known if _shard(each) == shard and not _waits(each, back_off)]
        records = forwarding_selectors.due(lanes=[each.meter_id for each in mine], limit=ROUND)
        if not records:
            break
        plan = usage_plans.make(records=records, known=mine, at=at)
        came_to_an_end = _carry_out(plan, back_off, at)
        if not came_to_an_end:
            break
        ended += came_to_an_end
    return ended


def _shard(known: Known) -> int:
    """Meters that Stripe does not know are everybody's, so one shard has them."""
    return zlib.crc32(known.account.pk.encode()) % SHARDS if known.account else 0


def _waits(known: Known, back_off: RequestBackOff) -> bool:
    if known.account is None:
        return False
    return all(back_off.is_waiting(known.account.pk, each) for each in (TELL, TAKE_BACK))


def _carry_out(plan: Plan, back_off: RequestBackOff, at: datetime) -> int:
    """Ask Stripe as far as it answers, and write down what came of it; how much that is."""
    accounts = {each.meter_id: each for each in plan.known}
    jobs = [_tell(each, accounts[each.meter_id], plan) for each in plan.tell]
    jobs += [_take_back(each, accounts[each.meter_id]) for each in plan.take_back]
    answers = _answers(_in_turn(jobs, back_off), back_off)
    asked = {
        each.job.event.identifier for each in answers if not isinstance(each.error, NOTHING_DONE)
    }
    ended = [(each.job, each.ended) for each in answers if each.ended is not None]
    told = [end for job, end in ended if job.operation == TELL]
    gone = [end.event for _, end in ended if end.outcome is Forwarding.CANCELED]
    kept = [(job.event, end.error) for job, end in ended if _is_kept(job, end)]
    unasked = [each for each in plan.fresh if each.identifier not in asked]
    with transaction.atomic():
        forwarding.record_results(outcomes=plan.settled)
        meter_events.record_results(outcomes=[*plan.ended, *told])
        meter_events.discard(events=unasked)
        meter_events.record_cancellation(events=gone)
        forwarding.refuse_voids(events=kept)
        usage_refusals.tell(settled=plan.settled, ended=[*plan.ended, *told], at=at)
    usage_plans.wake(plan, at)
    return len(plan.settled) + len(plan.ended) + len(ended)


def _is_kept(job: Job, ended: MeterEventResult) -> bool:
    """Whether Stripe refused to take the event back."""
    return job.operation == TAKE_BACK and ended.outcome is Forwarding.REFUSED


def _in_turn(jobs: Sequence[Job], back_off: RequestBackOff) -> list[Job]:
    """By turns of the accounts; one for an account of which the last request failed."""
    by_account: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        if not back_off.is_waiting(job.account.pk, job.operation):
            by_account.setdefault((job.account.pk, job.operation), []).append(job)
    for (account_id, operation), its in by_account.items():
        if back_off.is_failing(account_id, operation):
            del its[1:]
    rounds = zip_longest(*by_account.values())
    return [job for job in chain.from_iterable(rounds) if job is not None]


def _tell(event: MeterEvent, known: Known, plan: Plan) -> Job:
    assert known.account is not None
    params = meters.event(
        event_name=known.event_name,
        identifier=event.identifier,
        customer_stripe_id=plan.buyers[known.account.pk, event.customer_id].stripe_id or "",
        value=event.value,
        at=event.last,
    )
    return Job(event, known.account, TELL, params, new_id("req"))


def _take_back(event: MeterEvent, known: Known) -> Job:
    assert known.account is not None
    params = meters.cancellation(event_name=known.event_name, identifier=event.identifier)
    return Job(event, known.account, TAKE_BACK, params, f"{event.identifier}-cancel")


def _ask(job: Job, *, client: Any, stopped: set[tuple[str, str]]) -> Answer | None:
    """Stripe's answer to a request; None when it was not sent because one before it had none.

    Runs in a thread of its own and does not use the database.
    """
    place = (job.account.pk, job.operation)
    if place in stopped:
        return None
    is_told = job.operation == TELL
    try:
        _send(job, client)
    except DomainError as error:
        if RequestBackOff.is_of_account(error):
            stopped.add(place)
            return Answer(job, None, error)
        if isinstance(error, StripeMalformed):
            return Answer(job, None, None)
        ended = MeterEventResult(job.event, Forwarding.REFUSED, error.detail, is_known=not is_told)
        return Answer(job, ended, None)
    return Answer(
        job, MeterEventResult(job.event, Forwarding.TOLD if is_told else Forwarding.CANCELED), None
    )


def _answers(jobs: Sequence[Job], back_off: RequestBackOff) -> list[Answer]:
    """What Stripe says to these, a few at a time; fewer where an account stops answering."""
    clients: dict[str, Any] = {}
    for account in {job.account.pk: job.account for job in jobs}.values():
        try:
            clients[account.pk] = client_for(account)
        except DomainError as error:
            back_off.failed(account.pk, TELL, error)
    stopped: set[tuple[str, str]] = set()

    def ask(job: Job) -> Answer | None:
        return _ask(job, client=clients[job.account.pk], stopped=stopped)

    with ThreadPoolExecutor(SENDERS) as pool:
        found = pool.map(ask, [job for job in jobs if job.account.pk in clients])
        answers = [each for each in found if each is not None]
    _note(answers, back_off)
    return answers


def _note(answers: Sequence[Answer], back_off: RequestBackOff) -> None:
    """Count one failure for each kind of request that failed, one success for each other."""
    failed: dict[tuple[str, str], DomainError] = {}
    worked: set[tuple[str, str]] = set()
    for answer in answers:
        place = (answer.job.account.pk, answer.job.operation)
        if answer.error is not None:
            failed.setdefault(place, answer.error)
        elif answer.ended is not None:
            worked.add(place)
    for place in sorted(worked - failed.keys()):
        back_off.answered(*place)
    for place, error in failed.items():
        back_off.failed(*place, error)


def _send(job: Job, client: Any) -> None:
    """Once more under another key if Stripe only repeats an error: the identifier stays."""
    try:
        writes.send(client, job.operation, target="", params=job.params, idempotency_key=job.key)
    except StripeFailed as failed:
        if not failed.replayed:
            raise
        writes.send(
            client, job.operation, target="", params=job.params, idempotency_key=new_id("req")
        )
