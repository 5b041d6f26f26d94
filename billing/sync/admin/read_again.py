"""*Read again*: mark and, for a single object, wait for Stripe's answer."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models.mirror import Mirror
from billing.models.sync_object import Kind, SyncObject
from billing.sync import read_again as rereading
from billing.sync import service as sync
from billing.sync.apply import DependencyMissing
from billing.sync.read_again import Wanted
from common.admin import dialogs
from common.admin.actors import actor
from common.errors import Conflict, DomainError

MOST = 500
"""Objects that one request marks; more belong to ``manage.py reconcile``."""


class NotAtStripe(Conflict):
    code, title = "not-at-stripe", "Stripe has not made this object yet."


class TooMany(Conflict):
    code, title = "too-many", "These are too many to read again by hand."


def wanted(row: Mirror, *, kind: Kind, subject: str) -> Wanted:
    return Wanted(
        account_id=row.account_id,
        kind=kind,
        stripe_id=row.stripe_id or "",
        subject=subject,
        project_id=row.project_id,
    )


MirrorT = TypeVar("MirrorT", bound=Mirror)


def known(row: MirrorT) -> MirrorT:
    """The row, if Stripe has made its object; raises NotAtStripe."""
    if not row.stripe_id:
        raise NotAtStripe("Wait until it has been made, then try again.")
    return row


def one(
    request: HttpRequest,
    form: dialogs.Dialog,
    dialog: dict[str, Any],
    each: Wanted,
    *,
    to: str,
) -> HttpResponse:
    """Ask, and wait for the answer. When Stripe is away the object stays marked."""

    def act() -> HttpResponse:
        if not each.stripe_id:
            raise NotAtStripe("There is nothing to read.")
        at = timezone.now()
        rereading.ask(
            wanted=[each], reason=form.cleaned_data["reason"], actor=actor(request), at=at
        )
        return _read(request, each, at, to=to)

    return dialogs.attempt(request, form, dialog, act)


def _read(request: HttpRequest, each: Wanted, at: datetime, *, to: str) -> HttpResponse:
    row = SyncObject.objects.select_related("account").get(
        account_id=each.account_id, kind=each.kind, stripe_id=each.stripe_id
    )
    try:
        sync.now(account=row.account, kind=each.kind, stripe_id=each.stripe_id, at=at)
    except (DomainError, DependencyMissing) as error:
        said = dialogs.refusal(error) if isinstance(error, DomainError) else str(error)
        messages.warning(request, f"{said} The object stays marked and is read again later.")
        return dialogs.go(to)
    return dialogs.finish(request, "Read from Stripe and stored.", to=to)


def many(request: HttpRequest, wanted: Iterable[Wanted], reason: str, *, at: datetime) -> None:
    """Ask for all that exist at Stripe and say on the next page how many those are."""
    objects = [each for each in wanted if each.stripe_id]
    with dialogs.reported(request):
        if len(objects) > MOST:
            raise TooMany(f"Select at most {MOST}, or run manage.py reconcile.")
        count = rereading.ask(wanted=objects, reason=reason, actor=actor(request), at=at)
        messages.success(request, f"{count} will be read again.")
