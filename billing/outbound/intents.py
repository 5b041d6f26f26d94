"""What we ask of Stripe, written down before it is asked (docs/rules.md, R9).

An intent commits before its request leaves and ends with its answer. Whatever happens on the way,
a crash, a lost answer, an error inside Stripe, either the caller's next try or the janitor
(:func:`finish_due`) finds out what became of it (``billing.outbound.intent_resolution``).
"""

import hashlib
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.db.models.functions import Now

from billing.models import StripeAccount, StripeIntent
from billing.models.outbound import Outbound
from billing.models.stripe_intent import IntentState
from billing.outbound import intent_lease as turns
from billing.outbound import intent_resolution as settling
from billing.outbound import selectors as intents
from billing.outbound.intent_resolution import KEY_LIFE, Values
from billing.stripe import writes
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeNotAsked,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.fields import Fields, labelled
from billing.stripe.write_operations import WRITES
from billing.sync.request_back_off import RequestBackOff
from common.errors import DomainError
from common.inserts import insert
from common.lease import LeaseLost

log = structlog.get_logger(__name__)

PATIENCE = 5.0
"""Seconds that a caller waits for whoever else is at the intent or at its target."""
PEEK = 0.05
"""Seconds between two looks at what that worker does."""
RUN = 100
"""Intents that one run of the janitor takes at most."""
OFTEN = 5
"""Sends of an intent that we cannot make sense of before a person looks at it."""


def make(
    row: Outbound,
    *,
    operation: str,
    params: dict[str, Any],
    at: datetime,
    values: Values = lambda fields: {},
) -> None:
    """Have Stripe make what the row stands for, once whatever crashes, and store its id.

    ``params`` are Stripe's; the object's metadata will name the row. ``values`` are what else to
    store of Stripe's answer. Raises StripeUnavailable while it is not known whether it was made:
    calling again finishes the work. Raises StripeRefused when Stripe said no: nothing was made,
    and the row is taken back.
    """
    if not row.stripe_id:  # else an event, perhaps, was faster than the answer
        intent = _planned(
            project_id=row.project_id,
            account=row.account,
            operation=operation,
            purpose=f"make {row.pk}",
            subject=row.pk,
            target="",
            params={**params, "metadata": labelled(row.pk, params.get("metadata"))},
        )
        _carry_out(intent, at=at, values=values)
        row.refresh_from_db()
    made = StripeIntent.objects.for_project(row.project_id).filter(purpose=f"make {row.pk}")
    made.filter(answered_at__isnull=True).update(answered_at=at)


def change(
    *,
    project_id: str,
    account: StripeAccount,
    operation: str,
    subject: str,
    target: str,
    params: dict[str, Any],
    request: str,
    at: datetime,
) -> Fields:
    """Ask Stripe to change ``target``, at most once for this ``request``; Stripe's answer.

    Changes of one target are carried out one after the other. Raises what ``billing.stripe.errors``
    sorts Stripe's answers into; after StripeUnavailable it may still be carried out, and the
    janitor finds out.
    """
    intent = _planned(
        project_id=project_id,
        account=account,
        operation=operation,
        purpose=_purpose(operation, target, request),
        subject=subject,
        target=target,
        params=params,
        at=at,
    )
    fields = _carry_out(intent, at=at)
    _answered(intent, at)
    return fields


def begun(*, project_id: str, operation: str, target: str, request: str) -> StripeIntent | None:
    """What an earlier try of the same request has asked for, if there was one."""
    rows = StripeIntent.objects.for_project(project_id)
    return rows.filter(purpose=_purpose(operation, target, request)).first()


def finish_due(
    *, at: datetime, limit: int = RUN, clock: Callable[[], float] = time.monotonic
) -> int:
    """Find out what became of intents that nobody is at; how many were looked at.

    Ends with the time of a lease. An account that does not answer, or refuses one kind of request,
    backs off; an error stays with its intent.
    """
    stop = clock() + turns.LEASE.total_seconds()
    back_off = RequestBackOff()
    taken = 0
    for intent in intents.due(limit=limit):
        if clock() >= stop:
            break
        if back_off.is_waiting(intent.account_id, intent.operation) or not turns.take(intent):
            continue
        taken += 1
        _finish_one(intent, back_off, at)
    return taken


def _finish_one(intent: StripeIntent, back_off: RequestBackOff, at: datetime) -> None:
    try:
        error = _finish(intent, at)
    except StripeUnavailable as away:
        error = away
    is_stopped = back_off.stops_for(intent.account_id, intent.operation, error)
    if intent.attempts and not is_stopped and not isinstance(error, StripeUnavailable):
        back_off.answered(intent.account_id, intent.operation)


def _planned(
    *,
    project_id: str,
    account: StripeAccount,
    purpose: str,
    params: dict[str, Any],
    at: datetime | None = None,
    **values: str,
) -> StripeIntent:
    """The intent of this purpose, written down now or by an earlier try whose parameters count.

    Told the time, it takes one that ended longer ago than a key lives for another request.
    """
    rows = StripeIntent.objects.for_project(project_id)
    found = rows.filter(purpose=purpose).select_related("account").first()
    if found is not None and at is not None and _is_of_another_day(found, at):
        rows.filter(pk=found.pk).update(purpose=f"{found.purpose[:200]} {found.pk}")
        found = None
    if found is None:
        insert(
            StripeIntent(
                project_id=project_id,
                account=account,
                purpose=purpose,
                params=params,
                next_try_at=Now() + turns.LEASE,
                **values,
            )
        )
        found = rows.select_related("account").get(purpose=purpose)
    if found.params != params:
        log.warning("intent_params_differ", intent=found.pk, operation=found.operation)
    return found


def _carry_out(intent: StripeIntent, *, at: datetime, values: Values = lambda fields: {}) -> Fields:
    """See the intent to its end, waiting for our turn; Stripe's answer."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if turns.take(intent):
            try:
                return settling.settle(intent, at=at, values=values)
            except LeaseLost:
                log.info("intent_turn_lost", intent=intent.pk)
            except DomainError:
                if not intent.is_open:
                    _answered(intent, at)
                raise
        intent.refresh_from_db()
        if intent.state == IntentState.DONE:
            return _answer_again(intent)
        _let_pass(intent, at)
    raise StripeNotAsked("Another request is at it. Send this one again.", retry_after=2)


def _let_pass(intent: StripeIntent, at: datetime) -> None:
    """Whatever keeps us from having the turn. Raises StripeUnavailable."""
    if intent.state == IntentState.PARKED:
        raise StripeNotAsked("An operator is looking at an earlier try.", retry_after=60)
    if intent.state == IntentState.FAILED:
        _open_again(intent)
        return
    _clear_the_way(intent, at)
    time.sleep(PEEK)


def _clear_the_way(intent: StripeIntent, at: datetime) -> None:
    """Finish what was asked of the same target before. Raises StripeUnavailable."""
    if not intent.target:
        return
    other = intents.in_the_way(intent).select_related("account").first()
    if other is not None and turns.take(other):
        _finish(other, at)


def _finish(intent: StripeIntent, at: datetime) -> Exception | None:
    """Settle an intent whose turn it is for nobody in particular; how it failed, if it did.

    Raises StripeUnavailable.
    """
    try:
        settling.settle(intent, at=at)
    except StripeUnavailable:
        raise
    except (DomainError, LeaseLost) as outcome:
        log.info("intent_finished", intent=intent.pk, outcome=type(outcome).__name__)
        return outcome
    except Exception as error:  # noqa: BLE001  # one intent's trouble must not stop the others
        log.warning("intent_broke", intent=intent.pk, error=type(error).__name__)
        if intent.attempts >= OFTEN:
            settling.park(intent, error, at=at)
        return error
    return None


def _answer_again(intent: StripeIntent) -> Fields:
    """What Stripe said to a request that somebody else has carried out."""
    if not intent.target:  # the row has what counts
        return {"id": intent.stripe_id}
    try:
        return writes.send(
            client_for(intent.account),
            intent.operation,
            target=intent.target,
            params=intent.params,
            idempotency_key=intent.idempotency_key,
        )
    except StripeObjectMissing:
        if WRITES[intent.operation].gone_is_done:
            return {"id": intent.target}
        raise


def _open_again(intent: StripeIntent) -> None:
    """Stripe said no, and the same is asked for again.

    Under the same key if nobody was told, so that nobody is told anything else than Stripe said.
    Raises StripeRefused for what was to be made for a row that went with the first answer.
    """
    if not intent.target and not settling.row_of(intent).exists():
        raise StripeRefused("Stripe refused an earlier try, and nothing waits for it any more.")
    anew = intent.answered_at is not None
    rows = StripeIntent.objects.for_project(intent.project_id)
    rows.filter(pk=intent.pk, state=IntentState.FAILED).update(
        state=IntentState.PLANNED,
        key_generation=intent.key_generation + anew,
        sent_at=None if anew else intent.sent_at,
        attempts=0 if anew else intent.attempts,
        answered_at=None,
        finished_at=None,
        next_try_at=Now() + turns.LEASE,
    )
    intent.refresh_from_db()


def _is_of_another_day(intent: StripeIntent, at: datetime) -> bool:
    return intent.finished_at is not None and at - intent.created_at > KEY_LIFE


def _answered(intent: StripeIntent, at: datetime) -> None:
    """Whoever asked has had the answer."""
    rows = StripeIntent.objects.for_project(intent.project_id)
    rows.filter(pk=intent.pk, answered_at__isnull=True).update(answered_at=at)


def _purpose(operation: str, target: str, request: str) -> str:
    told = f"{target} {request}"
    if len(told) > 160:
        told = hashlib.sha256(told.encode()).hexdigest()
    return f"{operation} {told}"
