"""A mirrored object that Stripe answers 404 for: deleted, or a case for a person?

Stripe keeps most objects for ever: a 404 for one of them means a wrong key, mode or account. Only
products, prices, coupons and draft invoices can be deleted, and seldom many at once. Every 404 that
is not clearly a deletion parks the object, and a person decides.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from billing.models import MissingObject, StripeAccount, StripeIntent
from billing.models.mirror import Mirror
from billing.models.missing_object import MissingReason, MissingState
from billing.models.stripe_intent import IntentState
from billing.sync import kinds, sync_queue
from billing.sync.kinds import Mirrored
from billing.sync.plan import RowPlan
from billing.sync.selectors import missing_objects, owners
from common.errors import Conflict
from common.queue import enqueue
from events.audit import audit_trail as audit

log = structlog.get_logger(__name__)

RUN = timedelta(days=1)
"""Deletions within this time count together."""
MAX_GONE = 5
"""Objects of one account that may be deleted within ``RUN`` before a person decides."""
SHARE = 100
"""One mirrored object in so many may be deleted within ``RUN``, and always at least one."""


class StripeObjectVanished(Conflict):
    """Stripe answers 404 for an object that it should have. Our row is left as it is."""

    code, title = "stripe-object-vanished", "Stripe does not know an object that it should have."


class TooManyMissing(Conflict):
    """Nothing more of the account is compared until a person has decided about them."""

    code, title = "too-many-missing", "Too many objects are missing at Stripe."


class AlreadyDecided(Conflict):
    code, title = "already-decided", "This object was already decided."


def may_be_gone(*, account: StripeAccount, kind: str, stripe_id: str, at: datetime) -> bool:
    """Whether an object that Stripe answered 404 for counts as deleted.

    False when an operator has decided to keep our row as it is. Raises StripeObjectVanished until a
    person has decided.
    """
    mirrored = kinds.of(kind)
    row = owners.row_of(mirrored.mapper.model, account=account, stripe_id=stripe_id)
    if row is None or not _changes_anything(mirrored, row, at):
        return True
    if _was_deleted_by_us(account, kind, stripe_id):
        return True
    with transaction.atomic():
        missing_objects.lock(account.pk)
        state = _judge(account, mirrored, row, at)
    if state == MissingState.WAITING:
        raise StripeObjectVanished("Nothing was changed. An operator has to decide about it.")
    return state == MissingState.GONE


def accept(*, row: MissingObject, actor: str, reason: str, at: datetime) -> None:
    """Decide that the object is deleted. It is read once more, and a 404 then ends our row."""
    _decide(row, MissingState.GONE, "missing_object.accept", actor, reason, at)


def dismiss(*, row: MissingObject, actor: str, reason: str, at: datetime) -> None:
    """Decide to keep our row as it is, whatever Stripe answers. The object is read once more."""
    _decide(row, MissingState.KEPT, "missing_object.dismiss", actor, reason, at)


def stop(
    *,
    account: StripeAccount,
    kind: str,
    stripe_ids: list[str],
    at: datetime,
    because: MissingReason = MissingReason.TOO_MANY,
) -> None:
    """Let a person decide about each of these objects, which Stripe does not have."""
    mirrored = kinds.of(kind)
    with transaction.atomic():
        missing_objects.lock(account.pk)
        for stripe_id in stripe_ids:
            row = owners.row_of(mirrored.mapper.model, account=account, stripe_id=stripe_id)
            missing = missing_objects.find(account=account, kind=kind, stripe_id=stripe_id)
            if row is not None and (missing is None or missing.state == MissingState.FOUND):
                can_be_deleted = mirrored.can_be_deleted(row)
                reason = because if can_be_deleted else MissingReason.NEVER_DELETED
                _record(account, mirrored, row, reason, at)


def awaiting_decision(*, account: StripeAccount, kind: str, stripe_ids: list[str]) -> set[str]:
    """Select the objects that wait for a decision, or whose rows an operator keeps."""
    rows = missing_objects.of_account(account).filter(
        kind=kind,
        stripe_id__in=stripe_ids,
        state__in=[MissingState.WAITING, MissingState.KEPT],
    )
    return set(rows.values_list("stripe_id", flat=True))


def note_found(*, account: StripeAccount, kind: str, stripe_ids: list[str]) -> int:
    """Record that these objects exist: they need no decision any more. Returns how many waited."""
    rows = missing_objects.of_account(account).filter(
        kind=kind, stripe_id__in=stripe_ids, state=MissingState.WAITING
    )
    return rows.update(state=MissingState.FOUND)


def _decide(
    row: MissingObject, state: MissingState, action: str, actor: str, reason: str, at: datetime
) -> None:
    with transaction.atomic():
        missing_objects.lock(row.account_id)
        waiting = MissingObject.objects.for_project(row.project_id).filter(
            pk=row.pk, state=MissingState.WAITING
        )
        if not waiting.update(state=state, decided_at=at, decided_by=actor[:120]):
            raise AlreadyDecided("Look at its state.")
        audit.record(
            actor=actor,
            action=action,
            subject=row.our_id,
            project_id=row.project_id,
            reason=reason,
            after={"kind": row.kind, "stripe_id": row.stripe_id, "state": state.value},
            at=at,
        )
        sync_queue.request_sync(
            account_id=row.account_id, kind=row.kind, stripe_id=row.stripe_id, at_once=True
        )
        enqueue("billing.sync")


def _judge(account: StripeAccount, mirrored: Mirrored, row: Mirror, at: datetime) -> str:
    """The decision about the object: a person's, or now one by rule."""
    assert row.stripe_id is not None
    missing = missing_objects.find(account=account, kind=mirrored.kind, stripe_id=row.stripe_id)
    if missing is not None and missing.state != MissingState.FOUND:
        return missing.state
    return _record(account, mirrored, row, _reason(account, mirrored, row, at), at)


def _record(
    account: StripeAccount, mirrored: Mirrored, row: Mirror, reason: MissingReason, at: datetime
) -> str:
    """Store that the object is missing, and the state that follows from the reason. Returns it."""
    state = MissingState.GONE if reason == MissingReason.DELETED else MissingState.WAITING
    MissingObject.objects.for_project(row.project_id).update_or_create(
        project_id=row.project_id,
        account=account,
        kind=mirrored.kind,
        stripe_id=row.stripe_id,
        defaults={
            "our_id": row.pk,
            "reason": reason,
            "state": state,
            "found_at": at,
            "decided_at": None if state == MissingState.WAITING else at,
            "decided_by": "",
        },
    )
    if state == MissingState.WAITING:
        log.error(
            "stripe_object_vanished",
            account=account.pk,
            kind=mirrored.kind,
            stripe_id=row.stripe_id,
            reason=reason.value,
        )
    return state


def _reason(account: StripeAccount, mirrored: Mirrored, row: Mirror, at: datetime) -> MissingReason:
    if not mirrored.can_be_deleted(row):
        return MissingReason.NEVER_DELETED
    if missing_objects.is_stopped(account):
        return MissingReason.TOO_MANY
    gone = missing_objects.taken_as_gone(account, since=at - RUN)
    return MissingReason.TOO_MANY if gone >= limit(account) else MissingReason.DELETED


def allowed(mirrored: int) -> int:
    """How many of so many mirrored objects may be deleted within ``RUN``: 1 %, from 1 to 5."""
    return min(max(1, mirrored // SHARE), MAX_GONE)


def limit(account: StripeAccount) -> int:
    """How many objects of this account may be deleted within ``RUN``."""
    models = [each.mapper.model for each in kinds.KINDS.values()]
    return allowed(missing_objects.mirrored(account, models, at_most=MAX_GONE * SHARE))


def _changes_anything(mirrored: Mirrored, row: Mirror, at: datetime) -> bool:
    return bool(RowPlan(row=row, values=mirrored.mapper.gone(row, at)).differences())


def _was_deleted_by_us(account: StripeAccount, kind: str, stripe_id: str) -> bool:
    return (
        StripeIntent.objects.across_projects()
        .filter(
            account=account,
            target=stripe_id,
            operation=f"{kind}.delete",
            state=IntentState.DONE,
        )
        .exists()
    )
