"""Find out what becomes of an intent: ask Stripe, or look for what an earlier try has made.

* The same idempotency key, as long as Stripe keeps it, gives the same answer.
* After an error inside Stripe the key answers with that error for ever, and after a day it is
  forgotten. What makes an object is then looked for by the row of ours that its metadata names,
  and asked again under a new key only once a list that is old enough does not know it.
* A change says what shall be, so it may be asked again under a new key, unless something newer
  has been done to its target since.

What cannot be told in this way is parked for a person.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.deletion import ProtectedError
from django.db.models.functions import Now

from billing.models import StripeIntent
from billing.models.outbound import Outbound
from billing.models.stripe_intent import IntentState
from billing.outbound import intent_lease as turns
from billing.outbound import selectors as intents
from billing.stripe import budget, writes
from billing.stripe.client import client_for
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
"""A list at Stripe may not know for this long what has just been made."""
CLOCK_SKEW = timedelta(minutes=10)
"""How much Stripe's clock may differ from ours when we look for what we asked for."""
KEYS = 5
"""How many keys one intent may use up on errors inside Stripe before a person looks at it."""
MALFORMED = 10
"""How often an answer to one intent may be malformed before a person looks at it."""
PAUSE = RetryPause(first=timedelta(seconds=5), longest=timedelta(seconds=60), jitter=(0.75, 1.0))

Values = Callable[[Fields], dict[str, Any]]


class Superseded(StripeRefused):
    """Nobody knows whether it was done, and it must not be done any more."""


def settle(intent: StripeIntent, *, at: datetime, values: Values = lambda fields: {}) -> Fields:
    """What Stripe has done for an intent whose turn it is, by this call or an earlier one.

    ``values`` are what to store of the answer on the row that it was made for. Raises
    StripeRefused or CardDeclined when Stripe said no, StripeUnavailable while it is not known, also
    because an answer cannot be read, and LeaseLost when somebody else has gone on with it.
    """
    was_sent = intent.attempts > 0
    try:
        fields = _ask(intent, at)
        with translate():
            found = values(fields)
    except StripeUnavailable as away:
        _not_now(intent, away, at)
        raise
    except DomainError as refusal:
        fields = _refused(intent, refusal, at, was_sent=was_sent)
        with translate():
            found = values(fields)
    _finish(intent, fields, found, at)
    return fields


def give_up(intent: StripeIntent, error: Exception, *, at: datetime) -> None:
    """It ends here: what it was to make was not made."""
    _fail(intent, error, at)


def park(intent: StripeIntent, error: Exception, *, at: datetime) -> None:
    """Leave it to a person. Whenever it is tried again, what it made is looked for first."""
    reason = error_text(error)
    log.error("intent_parked", intent=intent.pk, operation=intent.operation, error=reason)
    turns.end(
        intent,
        state=IntentState.PARKED,
        failed_at=at,
        last_error=reason,
        updated_at=at,
    )


def _ask(intent: StripeIntent, at: datetime) -> Fields:
    if intents.is_superseded(intent):
        raise Superseded("Something newer has been done since. Send it again if it is still meant.")
    if intent.failed_at is None and not _key_is_old(intent, at):
        return _send(intent, at)
    found = _find(intent)
    if found is not None:
        return found
    _wait_for_the_list(intent, at)
    return _send(intent, at, renewed=True)


def _send(intent: StripeIntent, at: datetime, *, renewed: bool = False) -> Fields:
    turns.note(
        intent,
        state=IntentState.SENT,
        key_generation=intent.key_generation + renewed,
        sent_at=at if renewed else intent.sent_at or at,
        asked_at=at,
        failed_at=None,
        attempts=F("attempts") + 1,
        updated_at=at,
    )
    if renewed:
        log.info("stripe_key_renewed", intent=intent.pk, generation=intent.key_generation)
    return writes.send(
        client_for(intent.account),
        intent.operation,
        target=intent.target,
        params=intent.params,
        idempotency_key=intent.idempotency_key,
    )


def _find(intent: StripeIntent) -> Fields | None:
    if intent.target:
        return None
    return writes.find(
        client_for(intent.account),
        intent.operation,
        params=intent.params,
        row_id=intent.subject,
        since=intent.created_at - CLOCK_SKEW,
    )


def _wait_for_the_list(intent: StripeIntent, at: datetime) -> None:
    """A list that does not name our row is proof only when it is old enough."""
    if intent.target or intent.asked_at is None:
        return
    left = LIST_LAG - (at - intent.asked_at)
    if left >= timedelta():
        raise StripeNotAsked(
            "An earlier try is still being looked for. Send the same request again in a minute.",
            retry_after=int(left.total_seconds()) + 1,
        )


def _key_is_old(intent: StripeIntent, at: datetime) -> bool:
    return intent.sent_at is not None and at - intent.sent_at > KEY_LIFE


def _not_now(intent: StripeIntent, away: StripeUnavailable, at: datetime) -> None:
    if isinstance(away, StripeBusy):
        budget.slow_down(intent.account)
    if isinstance(away, StripeMalformed) and intent.attempts >= MALFORMED:
        park(intent, away, at=at)
    elif not isinstance(away, StripeFailed):
        _pause(intent, away)
    elif (intent.key_generation + 1) % KEYS == 0:
        park(intent, away, at=at)
    else:
        _pause(intent, away, failed_at=at)


def _refused(intent: StripeIntent, refusal: DomainError, at: datetime, *, was_sent: bool) -> Fields:
    """Write down that Stripe said no; the answer if it is a yes all the same, else raises."""
    match refusal:
        case IdempotencyMismatch():
            return _recover(intent, refusal, at)
        case StripeCredentialsRefused() if was_sent:
            _pause(intent, refusal)
        case StripeObjectMissing() if was_sent and WRITES[intent.operation].gone_is_done:
            return {"id": intent.target}
        case CardDeclined() if refusal.made and not intent.target:
            _finish(intent, {"id": refusal.made}, {}, at)
        case _:
            _fail(intent, refusal, at)
    raise refusal


def _recover(intent: StripeIntent, mismatch: IdempotencyMismatch, at: datetime) -> Fields:
    """A key that Stripe knows with other parameters: what was made with them counts."""
    found = _find(intent)
    if found is None:
        park(intent, mismatch, at=at)
        raise mismatch
    return found


def _finish(intent: StripeIntent, fields: Fields, values: dict[str, Any], at: datetime) -> None:
    """Done: the row knows its object, and the mirror is going to be read, in one transaction."""
    made = str(fields.get("id") or "")
    with transaction.atomic():
        turns.end(
            intent,
            state=IntentState.DONE,
            stripe_id="" if made == intent.target else made,
            finished_at=at,
            failed_at=None,
            last_error="",
            updated_at=at,
        )
        if not intent.target:
            waiting = row_of(intent).filter(stripe_id__isnull=True)
            waiting.update(**{"stripe_id": made, **values})
        _follow(intent, fields)


def _fail(intent: StripeIntent, error: Exception, at: datetime) -> None:
    """Stripe said no: nothing was made, and the row that waits for it is taken back."""
    with transaction.atomic():
        turns.end(
            intent,
            state=IntentState.FAILED,
            finished_at=at,
            last_error=error_text(error),
            updated_at=at,
        )
        if intent.target:
            _follow(intent, {})
        else:
            _take_back(intent)


def _take_back(intent: StripeIntent) -> None:
    try:
        row_of(intent).filter(stripe_id__isnull=True).delete()
    except ProtectedError:
        log.info("row_is_kept", row=intent.subject, intent=intent.pk)


def _pause(intent: StripeIntent, error: DomainError, **values: Any) -> None:
    pause = PAUSE.after(
        failures=intent.attempts + 1, at_least=timedelta(seconds=error.retry_after or 0)
    )
    turns.end(
        intent,
        state=IntentState.UNKNOWN if intent.attempts else intent.state,
        next_try_at=Now() + pause,
        last_error=error_text(error),
        updated_at=Now(),
        **values,
    )


def _follow(intent: StripeIntent, fields: Fields) -> None:
    """Have the mirror read what was changed."""
    news = WRITES[intent.operation].news
    if news is None:
        return
    kind, name = news
    named = {**intent.params, **fields, "id": intent.stripe_id, "target": intent.target}
    if stripe_id := named.get(name):
        sync_queue.request_sync(account_id=intent.account_id, kind=kind, stripe_id=str(stripe_id))


def row_of(intent: StripeIntent) -> ProjectQuerySet[Any]:
    """The row that an intent is to make an object for."""
    prefix = intent.subject.rpartition("_")[0]
    model = next(each for each in Outbound.__subclasses__() if prefix_of(each) == prefix)
    rows: ProjectQuerySet[Any] = model.objects.for_project(intent.project_id)
    return rows.filter(pk=intent.subject)
