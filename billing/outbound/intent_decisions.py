"""Operators' decisions about an intent that does not end by itself."""

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from billing.errors import IntentOver, IntentUnderWay
from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN, IntentState
from billing.outbound import intent_lease, intent_resolution, parked_writes
from billing.outbound import selectors as intents
from billing.stripe.errors import StripeRefused
from common.queue import enqueue
from events.audit import audit_trail as audit

UNDECIDED = OPEN | {IntentState.PARKED}


def try_again(*, intent: StripeIntent, reason: str, actor: str, at: datetime) -> None:
    """Try the intent at once, parked or not; Stripe is first asked for an object of an earlier try.

    Raises IntentOver, IntentUnderWay.
    """
    with transaction.atomic():
        _record(intent, "intent.try_again", reason, actor, at)
        _open(intent)
        enqueue("billing.finish_intents")


def give_up(*, intent: StripeIntent, reason: str, actor: str, at: datetime) -> None:
    """Never send the intent again; delete the row that waits for its object.

    Raises IntentOver, IntentUnderWay.
    """
    with transaction.atomic():
        _record(intent, "intent.give_up", reason, actor, at)
        _open(intent)
        if not intent_lease.take(intent):
            raise IntentUnderWay("An older intent for the same object must end first.")
        intent_resolution.give_up(intent, StripeRefused(f"Given up: {reason}"), at=at)
        parked_writes.record_given_up(intent, at=at)


def _open(intent: StripeIntent) -> None:
    """Make the intent due now."""
    rows = StripeIntent.objects.for_project(intent.project_id).filter(pk=intent.pk)
    state = rows.values_list("state", flat=True).get()
    if state not in UNDECIDED:
        raise IntentOver(f"It is {state}.")
    opened = IntentState.UNKNOWN if state == IntentState.PARKED else state
    if not rows.filter(intents.IS_FREE).update(state=opened, next_try_at=Now()):
        raise IntentUnderWay("Try again in half a minute.")


def _record(intent: StripeIntent, action: str, reason: str, actor: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=intent.pk,
        project_id=intent.project_id,
        reason=reason,
        after={"operation": intent.operation, "subject": intent.subject},
        at=at,
    )
