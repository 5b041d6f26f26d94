"""Writes at Stripe, each stored as an intent before it is sent (docs/rules.md, R9).

An intent commits before its request is sent and ends with Stripe's answer. After a crash, a lost
answer or an error inside Stripe, the caller's next try or the janitor (:func:`finish_due`)
resolves it (``billing.outbound.intent_resolution``).
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.db.models.functions import Now

from billing import row_ids
from billing.models import StripeAccount, StripeIntent
from billing.models.outbound import Outbound
from billing.models.stripe_intent import IntentState
from billing.outbound import intent_lease, intent_requests, intent_resolution, intent_traces
from billing.outbound import selectors as intents
from billing.outbound.intent_resolution import KEY_LIFE, Values
from billing.outbound.purposes import purpose_of_change
from billing.stripe.errors import (
    StripeNotAsked,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
)
from billing.stripe.fields import Fields, labelled
from billing.stripe.write_operations import WRITES
from billing.sync.request_back_off import RequestBackOff
from common import traces
from common.errors import DomainError
from common.inserts import insert
from common.lease import LeaseLost
from common.prepared_queries import Parameter, PreparedQuery

log = structlog.get_logger(__name__)

MAX_WAIT_SECONDS = 5.0
"""How long a caller waits for a worker that holds the intent, or an older one of its target."""
POLL_SECONDS = 0.05
"""Between two looks at whether that worker has finished."""
MAX_INTENTS_PER_RUN = 100
"""Default limit of :func:`finish_due`."""
MAX_BROKEN_SENDS = 5
"""Sends of an intent that ended with an unexpected error before it is parked."""
_OF_PURPOSE = PreparedQuery(
    lambda: StripeIntent.objects.for_project(Parameter("project_id")).filter(
        purpose=Parameter("purpose")
    ),
    related=["account"],
)


def create_object(
    row: Outbound,
    *,
    operation: str,
    params: dict[str, Any],
    at: datetime,
    values: Values = lambda fields: {},
) -> None:
    """Make the row's object at Stripe exactly once, whatever crashes, and store its id in the row.

    ``params`` are Stripe's; the object's metadata will name the row. ``values`` maps the answer to
    further columns. Raises StripeUnavailable while the result is unknown: calling again finishes
    the work. Raises StripeRefused when Stripe refused: nothing was made and the row is deleted.
    """
    row_ids.log(row)
    if not row.stripe_id:  # set already when an event was faster than the answer
        intent = _plan_intent(
            project_id=row.project_id,
            account=row.account,
            operation=operation,
            purpose=f"make {row.pk}",
            subject=row.pk,
            target="",
            params={**params, "metadata": labelled(row.pk, params.get("metadata"))},
        )
        _resolve(intent, at=at, values=values)
        row.refresh_from_db()
    rows = StripeIntent.objects.for_project(row.project_id).filter(purpose=f"make {row.pk}")
    rows.filter(answered_at__isnull=True).update(answered_at=at)


def change_object(
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
    """Change ``target`` at Stripe, at most once for this ``request``. Returns Stripe's answer.

    Changes of one target are carried out one after the other. Raises the errors of
    ``billing.stripe.errors``; after StripeUnavailable the change may still be carried out, and the
    janitor resolves it.
    """
    row_ids.log_subject(subject)
    intent = _plan_intent(
        project_id=project_id,
        account=account,
        operation=operation,
        purpose=purpose_of_change(operation=operation, target=target, request=request),
        subject=subject,
        target=target,
        params=params,
        at=at,
    )
    fields = _resolve(intent, at=at)
    _record_answer(intent, at)
    return fields


def find_change(
    *, project_id: str, operation: str, target: str, request: str
) -> StripeIntent | None:
    """Find the intent of an earlier try of the same request."""
    rows = StripeIntent.objects.for_project(project_id)
    purpose = purpose_of_change(operation=operation, target=target, request=request)
    return rows.filter(purpose=purpose).first()


def finish_due(
    *, at: datetime, limit: int = MAX_INTENTS_PER_RUN, clock: Callable[[], float] = time.monotonic
) -> int:
    """Resolve due intents that no worker holds. Returns how many were leased.

    Ends after the duration of a lease. An account that does not answer, or refuses one kind of
    request, backs off; any other error concerns its intent alone.
    """
    stop = clock() + intent_lease.LEASE.total_seconds()
    back_off = RequestBackOff()
    taken = 0
    for intent in intents.due(limit=limit):
        if clock() >= stop:
            break
        if back_off.is_backing_off(intent.account_id, intent.operation) or not intent_lease.take(
            intent
        ):
            continue
        taken += 1
        _resolve_due(intent, back_off, at)
    return taken


def _resolve_due(intent: StripeIntent, back_off: RequestBackOff, at: datetime) -> None:
    try:
        with intent_traces.continued(intent):
            error = _try_to_resolve(intent, at)
    except StripeUnavailable as away:
        error = away
    is_stopped = back_off.stops_for(intent.account_id, intent.operation, error)
    if intent.attempts and not is_stopped and not isinstance(error, StripeUnavailable):
        back_off.record_answer(intent.account_id, intent.operation)


def _plan_intent(
    *,
    project_id: str,
    account: StripeAccount,
    purpose: str,
    params: dict[str, Any],
    at: datetime | None = None,
    **values: str,
) -> StripeIntent:
    """Find or create the intent of this purpose. The parameters of an existing one are kept.

    With ``at``, an intent that ended longer ago than Stripe keeps a key belongs to another request.
    """
    rows = StripeIntent.objects.for_project(project_id)
    intent = _OF_PURPOSE.first(project_id=project_id, purpose=purpose)
    if intent is not None and at is not None and _is_older_than_a_key(intent, at):
        rows.filter(pk=intent.pk).update(purpose=f"{intent.purpose[:200]} {intent.pk}")
        intent = None
    if intent is None:
        intent = StripeIntent(
            project_id=project_id,
            account=account,
            purpose=purpose,
            params=params,
            traceparent=traces.current_header(),
            next_try_at=Now() + intent_lease.LEASE,
            **values,
        )
        if not insert(intent):
            intent = rows.select_related("account").get(purpose=purpose)
    if intent.params != params:
        log.warning("intent_params_differ", intent=intent.pk, operation=intent.operation)
    return intent


def _resolve(intent: StripeIntent, *, at: datetime, values: Values = lambda fields: {}) -> Fields:
    """Wait for the intent's lease and resolve it. Returns Stripe's answer."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < deadline:
        if intent_lease.take(intent):
            try:
                return intent_resolution.resolve_intent(intent, at=at, values=values)
            except LeaseLost:
                log.info("intent_turn_lost", intent=intent.pk)
            except DomainError:
                if not intent.is_open:
                    _record_answer(intent, at)
                raise
        intent.refresh_from_db()
        if intent.state == IntentState.DONE:
            return _repeat_answer(intent)
        _handle_obstacle(intent, at)
    raise StripeNotAsked("Another request is in progress. Send this one again.", retry_after=2)


def _handle_obstacle(intent: StripeIntent, at: datetime) -> None:
    """React to the reason why the lease could not be taken. Raises StripeUnavailable."""
    if intent.state == IntentState.PARKED:
        raise StripeNotAsked("An operator has to decide about an earlier attempt.", retry_after=60)
    if intent.state == IntentState.FAILED:
        _reopen(intent)
        return
    _resolve_blocking(intent, at)
    time.sleep(POLL_SECONDS)


def _resolve_blocking(intent: StripeIntent, at: datetime) -> None:
    """Resolve an older intent of the same target. Raises StripeUnavailable."""
    if not intent.target:
        return
    older = intents.blocking(intent).select_related("account").first()
    if older is not None and intent_lease.take(older):
        _try_to_resolve(older, at)


def _try_to_resolve(intent: StripeIntent, at: datetime) -> Exception | None:
    """Resolve a leased intent without a caller. Returns the error with which it ended, if any.

    Raises StripeUnavailable.
    """
    try:
        intent_resolution.resolve_intent(intent, at=at)
    except StripeUnavailable:
        raise
    except (DomainError, LeaseLost) as outcome:
        log.info("intent_finished", intent=intent.pk, outcome=type(outcome).__name__)
        return outcome
    except Exception as error:  # noqa: BLE001  # one intent's trouble must not stop the others
        log.warning("intent_broke", intent=intent.pk, error=type(error).__name__)
        if intent.attempts >= MAX_BROKEN_SENDS:
            intent_resolution.park(intent, error, at=at)
        return error
    return None


def _repeat_answer(intent: StripeIntent) -> Fields:
    """Return Stripe's answer to an intent that another worker has resolved."""
    if not intent.target:  # the row has what counts
        return {"id": intent.stripe_id}
    try:
        return intent_requests.send(intent)
    except StripeObjectMissing:
        if WRITES[intent.operation].gone_is_done:
            return {"id": intent.target}
        raise


def _reopen(intent: StripeIntent) -> None:
    """Reopen a refused intent, because the same request came again.

    Keeps the key if the refusal was never answered to a caller, so that the caller gets that very
    answer. Raises StripeRefused if the row for the object was deleted with the first refusal.
    """
    if not intent.target and not intent_resolution.row_of(intent).exists():
        raise StripeRefused("Stripe refused an earlier attempt; send a new request.")
    anew = intent.answered_at is not None
    rows = StripeIntent.objects.for_project(intent.project_id)
    rows.filter(pk=intent.pk, state=IntentState.FAILED).update(
        state=IntentState.PLANNED,
        key_generation=intent.key_generation + anew,
        sent_at=None if anew else intent.sent_at,
        attempts=0 if anew else intent.attempts,
        answered_at=None,
        finished_at=None,
        next_try_at=Now() + intent_lease.LEASE,
    )
    intent.refresh_from_db()


def _is_older_than_a_key(intent: StripeIntent, at: datetime) -> bool:
    return intent.finished_at is not None and at - intent.created_at > KEY_LIFE


def _record_answer(intent: StripeIntent, at: datetime) -> None:
    """Record that the caller has had the answer."""
    rows = StripeIntent.objects.for_project(intent.project_id)
    rows.filter(pk=intent.pk, answered_at__isnull=True).update(answered_at=at)
