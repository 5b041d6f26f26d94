"""The second net: ask Stripe what happened lately, in case a webhook never arrived.

Only marks objects to be read again. An object whose newest event did arrive has been marked by
it, and one that was read well after its newest event needs nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

import structlog
from django.db import transaction

from billing.models import StripeAccount, SyncObject
from billing.models.sync_object import Kind
from billing.selectors import stripe_accounts
from billing.services import sync
from billing.stripe import events
from billing.stripe.client import client_for
from billing.stripe.snapshots import EventSnapshot
from common.errors import DomainError
from common.queue import enqueue
from webhooks import routing
from webhooks.models import InboundEvent
from webhooks.routing import Target

log = structlog.get_logger(__name__)

OVERLAP = timedelta(hours=1)
"""How far before the last event seen we look: Stripe's list may be late."""
FURTHEST = timedelta(days=30)
"""Stripe forgets events after that; reconciliation covers what is older."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far our clock may run ahead of Stripe's before a read counts as older than an event."""
CHUNK = 500
"""Objects looked up at once."""


class News(NamedTuple):
    """An object that changed, and the newest event that says so."""

    target: Target
    event_id: str
    created_at: datetime


def catch_up(*, account: StripeAccount, at: datetime) -> int:
    """Mark what changed at Stripe without us hearing of it; how many objects that are.

    Raises what Stripe's errors are sorted into; the next run then begins at the same place.
    """
    since = max((account.events_seen_until or account.created_at) - OVERLAP, at - FURTHEST)
    listed = list(_newest_first(events.iterate(client_for(account), since=since)))
    marked = sum(_mark_missed(account, chunk) for chunk in _chunks(listed))
    if listed:
        seen_until = max(news.created_at for news in listed)
        StripeAccount.objects.filter(pk=account.pk).update(events_seen_until=seen_until)
    return marked


def catch_up_everywhere(*, at: datetime) -> int:
    """As :func:`catch_up`, for every account that we hold a key of; one that fails is logged."""
    marked = 0
    for account in stripe_accounts.with_key():
        try:
            marked += catch_up(account=account, at=at)
        except DomainError as error:
            log.warning("catch_up_failed", account=account.pk, error=error.code)
    return marked


def _newest_first(listed: Iterable[EventSnapshot]) -> Iterator[News]:
    """The newest event of each object. An event of no mirrored object does not count."""
    seen: set[Target] = set()
    for event in listed:
        target = routing.target(event.type, _subject(event))
        if target is not None and target not in seen:
            seen.add(target)
            yield News(target, event.stripe_id, event.created_at)


def _subject(event: EventSnapshot) -> dict[str, object]:
    data = event.payload.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    return subject if isinstance(subject, dict) else {}


def _chunks(listed: list[News]) -> Iterator[list[News]]:
    rest = iter(listed)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _mark_missed(account: StripeAccount, chunk: list[News]) -> int:
    arrived = set(
        InboundEvent.objects.filter(
            endpoint__account=account,
            event_id__in=[news.event_id for news in chunk],
            sync__isnull=False,
        ).values_list("event_id", flat=True)
    )
    read_at = _read_at(account, chunk)
    missed = [
        news.target
        for news in chunk
        if news.event_id not in arrived
        and not (news.target in read_at and read_at[news.target] > news.created_at + CLOCK_SKEW)
    ]
    with transaction.atomic():
        for kind, stripe_id in sorted(missed):
            sync.mark(account_id=account.pk, kind=kind, stripe_id=stripe_id)
        if missed:
            enqueue("billing.sync")
    return len(missed)


def _read_at(account: StripeAccount, chunk: list[News]) -> dict[Target, datetime]:
    """When these objects were last read and applied."""
    rows = SyncObject.objects.filter(
        account=account,
        stripe_id__in=[news.target.stripe_id for news in chunk],
        applied_at__isnull=False,
    )
    return {
        Target(Kind(kind), stripe_id): applied_at
        for kind, stripe_id, applied_at in rows.values_list("kind", "stripe_id", "applied_at")
        if applied_at is not None
    }
