"""*Read again*: request a read and, for a single object, wait for Stripe's answer."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models.mirror import Mirror
from billing.models.sync_object import ObjectKind, SyncObject
from billing.sync import read_again
from billing.sync import service as sync
from billing.sync.apply import DependencyMissing
from billing.sync.read_again import RereadObject
from common.admin import dialogs
from common.admin.actors import actor
from common.errors import Conflict, DomainError

MAX_OBJECTS = 500
"""Objects that one click may select; for more there is ``manage.py reconcile``."""


class NotAtStripe(Conflict):
    code, title = "not-at-stripe", "Stripe has not made this object yet."


class TooMany(Conflict):
    code, title = "too-many", "These are too many objects to read again at once."


def object_of(row: Mirror, *, kind: ObjectKind, subject: str) -> RereadObject:
    return RereadObject(
        account_id=row.account_id,
        kind=kind,
        stripe_id=row.stripe_id or "",
        subject=subject,
        project_id=row.project_id,
    )


MirrorT = TypeVar("MirrorT", bound=Mirror)


def require_stripe_id(row: MirrorT) -> MirrorT:
    """Return the row. Raises NotAtStripe if Stripe has not made its object yet."""
    if not row.stripe_id:
        raise NotAtStripe("Wait until it has been made, then try again.")
    return row


def read_one(
    request: HttpRequest,
    form: dialogs.Dialog,
    dialog: dict[str, Any],
    target: RereadObject,
    *,
    to: str,
) -> HttpResponse:
    """Request a read and wait for its result. When Stripe is away, the request stays."""

    def act() -> HttpResponse:
        if not target.stripe_id:
            raise NotAtStripe("There is nothing to read.")
        at = timezone.now()
        read_again.request_read(
            objects=[target], reason=form.cleaned_data["reason"], actor=actor(request), at=at
        )
        return _read(request, target, at, to=to)

    return dialogs.attempt(request, form, dialog, act)


def _read(request: HttpRequest, target: RereadObject, at: datetime, *, to: str) -> HttpResponse:
    row = SyncObject.objects.select_related("account").get(
        account_id=target.account_id, kind=target.kind, stripe_id=target.stripe_id
    )
    try:
        sync.now(account=row.account, kind=target.kind, stripe_id=target.stripe_id, at=at)
    except (DomainError, DependencyMissing) as error:
        reason = dialogs.refusal(error) if isinstance(error, DomainError) else str(error)
        messages.warning(request, f"{reason} The object stays marked and is read again later.")
        return dialogs.go(to)
    return dialogs.finish(request, "Read from Stripe and stored.", to=to)


def request_many(
    request: HttpRequest, rows: Iterable[RereadObject], reason: str, *, at: datetime
) -> None:
    """Request a read of all that exist at Stripe, and show how many on the next page."""
    objects = [row for row in rows if row.stripe_id]
    with dialogs.reported(request):
        if len(objects) > MAX_OBJECTS:
            raise TooMany(f"Select at most {MAX_OBJECTS}, or run manage.py reconcile.")
        count = read_again.request_read(objects=objects, reason=reason, actor=actor(request), at=at)
        messages.success(request, f"{count} will be read again.")
