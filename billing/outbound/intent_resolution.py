"""Resolve an intent: send it to Stripe, or find the object that an earlier try has made.

* The same idempotency key gives the same answer for as long as Stripe keeps it.
* After an error inside Stripe the key answers with that error for ever, and after a day Stripe
  forgets it. Then the object is searched by the row of ours that its metadata names; the intent is
  sent again, under a new key, only if a list that is old enough does not contain the object.
* A change states the new values, so it may be sent again under a new key, unless a newer intent
  has changed its target since.

An intent that cannot be resolved in this way is parked for a person.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models.deletion import ProtectedError

from billing.models import StripeIntent
from billing.models.outbound import Outbound
from billing.models.stripe_intent import IntentState
from billing.outbound import created_rows, intent_lease, intent_requests, parked_writes
from billing.outbound import selectors as intents
from billing.outbound.created_rows import RecordCreation
from billing.stripe import budget
from billing.stripe.errors import (
    CardDeclined,
    IdempotencyMismatch,
    StripeBusy,
    StripeCredentialsRefused,
    StripeFailed,
    StripeMalformed,
    StripeNotAsked,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
    translate,
)
from billing.stripe.fields import Fields
from billing.stripe.write_operations import WRITES
from billing.sync import sync_queue
from common.errors import DomainError
from common.ids import prefix_of
from common.logs import error_text
from common.models import ProjectQuerySet
from common.retry_pause import RetryPause

log = structlog.get_logger(__name__)

KEY_LIFE = timedelta(hours=23)
"""Stripe forgets an idempotency key after 24 hours at the earliest."""
LIST_LAG = timedelta(seconds=60)
"""For so long a list at Stripe may lack a new object."""
MAX_KEYS = 5
"""Keys that one intent may use up on errors inside Stripe before it is parked."""
MAX_MALFORMED = 10
"""Malformed answers to one intent before it is parked."""
PAUSE = RetryPause(first=timedelta(seconds=5), longest=timedelta(seconds=60), jitter=(0.75, 1.0))

Values = Callable[[Fields], dict[str, Any]]


class Superseded(StripeRefused):
    """The intent may have been carried out or not, and must not be sent any more."""


def resolve_intent(
    intent: StripeIntent, *, at: datetime, values: Values = lambda fields: {}
) -> Fields:
    """Carry out a leased intent, unless an earlier try has. Returns Stripe's answer.

    ``values`` maps the answer to columns of the row that the object is made for. Raises
    StripeRefused or CardDeclined when Stripe refused, StripeUnavailable while the result is unknown
    (also when an answer cannot be read), and LeaseLost when another worker has taken over.
    """
    was_sent = intent.attempts > 0
    try:
        fields = _ask_stripe(intent, at)
        with translate():
            columns = values(fields)
    except StripeUnavailable as outage:
        _handle_outage(intent, outage, at)
        raise
    except DomainError as refusal:
        fields = _handle_refusal(intent, refusal, at, was_sent=was_sent)
        with translate():
            columns = values(fields)
    _store_success(intent, fields, columns, at)
    return fields


def give_up(intent: StripeIntent, error: Exception, *, at: datetime) -> None:
    """End the intent as failed: its object was not made."""
    _store_failure(intent, error, at)


def park(intent: StripeIntent, error: Exception, *, at: datetime) -> None:
    """Leave the intent to a person. A later try first searches for an object of earlier tries."""
    reason = error_text(error)
    log.error("intent_parked", intent=intent.pk, operation=intent.operation, error=reason)
    with transaction.atomic():
        intent_lease.release(
            intent, state=IntentState.PARKED, failed_at=at, last_error=reason, updated_at=at
        )
        parked_writes.record_parked(intent, error, at=at)


def _ask_stripe(intent: StripeIntent, at: datetime) -> Fields:
    if intents.is_superseded(intent):
        raise Superseded(
            "A newer change was made meanwhile. Send the request again if you still want it."
        )
    if intent.failed_at is None and not _key_is_old(intent, at):
        return _send(intent, at)
    fields = intent_requests.find_object(intent)
    if fields is not None:
        return fields
    _require_old_enough_list(intent, at)
    return _send(intent, at, renewed=True)


def _send(intent: StripeIntent, at: datetime, *, renewed: bool = False) -> Fields:
    intent_lease.write(
        intent,
        state=IntentState.SENT,
        key_generation=intent.key_generation + renewed,
        sent_at=at if renewed else intent.sent_at or at,
        asked_at=at,
        failed_at=None,
        attempts=intent.attempts + 1,
        updated_at=at,
    )
    if renewed:
        log.info("stripe_key_renewed", intent=intent.pk, generation=intent.key_generation)
    return intent_requests.send(intent)


def _require_old_enough_list(intent: StripeIntent, at: datetime) -> None:
    """Raise StripeNotAsked while Stripe's list may still lack an object of an earlier try."""
    if intent.target or intent.asked_at is None:
        return
    left = LIST_LAG - (at - intent.asked_at)
    if left >= timedelta():
        raise StripeNotAsked(
            "The result of an earlier attempt is still unknown. Send the same request again "
            "in a minute.",
            retry_after=int(left.total_seconds()) + 1,
        )


def _key_is_old(intent: StripeIntent, at: datetime) -> bool:
    return intent.sent_at is not None and at - intent.sent_at > KEY_LIFE


def _handle_outage(intent: StripeIntent, outage: StripeUnavailable, at: datetime) -> None:
    if isinstance(outage, StripeBusy):
        budget.slow_down(intent.account)
    if isinstance(outage, StripeMalformed) and intent.attempts >= MAX_MALFORMED:
        park(intent, outage, at=at)
    elif not isinstance(outage, StripeFailed):
        _pause(intent, outage)
    elif (intent.key_generation + 1) % MAX_KEYS == 0:
        park(intent, outage, at=at)
    else:
        _pause(intent, outage, failed_at=at)


def _handle_refusal(
    intent: StripeIntent, refusal: DomainError, at: datetime, *, was_sent: bool
) -> Fields:
    """Record Stripe's refusal.

    Return the object when the refusal means that the work is already done (object gone, charge
    already made); otherwise raise the refusal.
    """
    match refusal:
        case IdempotencyMismatch():
            return _find_object_of_reused_key(intent, refusal, at)
        case StripeCredentialsRefused() if was_sent:
            _pause(intent, refusal)
        case StripeObjectMissing() if was_sent and WRITES[intent.operation].gone_is_done:
            return {"id": intent.target}
        case CardDeclined() if refusal.payment_stripe_id and not intent.target:
            _store_success(intent, {"id": refusal.payment_stripe_id}, {}, at)
        case _:
            _store_failure(intent, refusal, at)
    raise refusal


def _find_object_of_reused_key(
    intent: StripeIntent, mismatch: IdempotencyMismatch, at: datetime
) -> Fields:
    """Stripe knows this idempotency key with other parameters. Return the object that the first
    request made; park the intent if none is found."""
    fields = intent_requests.find_object(intent)
    if fields is None:
        park(intent, mismatch, at=at)
        raise mismatch
    return fields


def _store_success(
    intent: StripeIntent, fields: Fields, values: dict[str, Any], at: datetime
) -> None:
    """End the intent as done, store the object's id in our row and request a sync, in one
    transaction."""
    stripe_id = str(fields.get("id") or "")
    with transaction.atomic():
        record_creation = None if intent.target else _begin_creation(intent)
        intent_lease.release(
            intent,
            state=IntentState.DONE,
            stripe_id="" if stripe_id == intent.target else stripe_id,
            finished_at=at,
            failed_at=None,
            last_error="",
            updated_at=at,
        )
        if not intent.target:
            waiting = row_of(intent).filter(stripe_id__isnull=True)
            is_created = waiting.update(**{"stripe_id": stripe_id, **values})
            if is_created and record_creation is not None:
                record_creation(at)
        _request_sync(intent, fields)


def _store_failure(intent: StripeIntent, error: Exception, at: datetime) -> None:
    """End the intent as failed, and delete the row that waits for its object."""
    with transaction.atomic():
        intent_lease.release(
            intent,
            state=IntentState.FAILED,
            finished_at=at,
            last_error=error_text(error),
            updated_at=at,
        )
        if intent.target:
            _request_sync(intent, {})
        else:
            _delete_row(intent)


def _delete_row(intent: StripeIntent) -> None:
    try:
        row_of(intent).filter(stripe_id__isnull=True).delete()
    except ProtectedError:
        log.info("row_is_kept", row=intent.subject, intent=intent.pk)


def _pause(intent: StripeIntent, error: DomainError, **values: Any) -> None:
    pause = PAUSE.after(
        failures=intent.attempts + 1, at_least=timedelta(seconds=error.retry_after or 0)
    )
    intent_lease.release(
        intent,
        state=IntentState.UNKNOWN if intent.attempts else intent.state,
        last_error=error_text(error),
        pause=pause,
        **values,
    )


def _request_sync(intent: StripeIntent, fields: Fields) -> None:
    """Request a sync of the object that the intent has made or changed."""
    news = WRITES[intent.operation].news
    if news is None:
        return
    kind, name = news
    named = {**intent.params, **fields, "id": intent.stripe_id, "target": intent.target}
    if stripe_id := named.get(name):
        sync_queue.request_sync(
            account_id=intent.account_id,
            kind=kind,
            stripe_id=str(stripe_id),
            project_id=intent.project_id,
        )


def _begin_creation(intent: StripeIntent) -> RecordCreation:
    return created_rows.begin(model_of(intent), project_id=intent.project_id, row_id=intent.subject)


def row_of(intent: StripeIntent) -> ProjectQuerySet[Any]:
    """The row for which an intent makes an object."""
    rows: ProjectQuerySet[Any] = model_of(intent).objects.for_project(intent.project_id)
    return rows.filter(pk=intent.subject)


def model_of(intent: StripeIntent) -> type[Outbound]:
    """The model of the row that an intent makes an object for."""
    prefix = intent.subject.rpartition("_")[0]
    return next(each for each in Outbound.__subclasses__() if prefix_of(each) == prefix)
