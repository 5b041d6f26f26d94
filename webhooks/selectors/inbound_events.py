"""Stripe's events by status: the same words as ``InboundEvent.status``, as conditions in SQL."""

from datetime import datetime

from django.db.models import F, Min, Q, QuerySet

from billing.models import SyncObject
from projects.models import Project
from webhooks.models import InboundEvent

_QUARANTINED = Q(quarantined__gt="")
_IGNORED = Q(sync__isnull=True) | Q(request_number__isnull=True)
_DONE = Q(sync__applied__gte=F("request_number"))
_FOREIGN = Q(sync__foreign_at__isnull=False)
_PARKED = Q(sync__parked_at__isnull=False)
_BEHIND = ~_QUARANTINED & Q(sync__applied__lt=F("request_number"))

IN_STATUS: dict[str, Q] = {
    "waiting": _BEHIND & ~_PARKED,
    "parked": _BEHIND & _PARKED,
    "quarantined": _QUARANTINED,
    "foreign": ~_QUARANTINED & _DONE & _FOREIGN,
    "processed": ~_QUARANTINED & _DONE & ~_FOREIGN,
    "ignored": ~_QUARANTINED & _IGNORED,
}


def unprocessed() -> QuerySet[InboundEvent]:
    """Events of objects that have yet to be read again."""
    due = SyncObject.objects.filter(applied__lt=F("requested"), parked_at__isnull=True)
    return InboundEvent.objects.filter(
        sync__in=due, request_number__gt=F("sync__applied"), quarantined=""
    )


def oldest_waiting() -> datetime | None:
    """When the oldest unprocessed event arrived; None if no event waits."""
    oldest: datetime | None = unprocessed().aggregate(oldest=Min("received_at"))["oldest"]
    return oldest


def count_quarantined() -> int:
    """Number of quarantined events that are kept."""
    return InboundEvent.objects.filter(_QUARANTINED).count()


def matching(
    *,
    event: str | None = None,
    event_type: str | None = None,
    since: datetime | None = None,
    status: str | None = None,
    project: Project | None = None,
) -> QuerySet[InboundEvent]:
    """Stored events that match every given filter, oldest first.

    ``event`` is Stripe's id or ours. An event belongs to a project once its object is known to.
    """
    events = InboundEvent.objects.select_related("endpoint__account", "sync").order_by("id")
    if event:
        events = events.filter(Q(event_id=event) | Q(pk=event))
    if event_type:
        events = events.filter(type=event_type)
    if since:
        events = events.filter(received_at__gte=since)
    if status:
        events = events.filter(IN_STATUS[status])
    if project:
        events = events.filter(sync__project=project)
    return events
