"""The second net: read Stripe's list of events, in case a webhook never arrived.

It only requests syncs of objects. If the newest event of an object did arrive, that event has
requested one; an object that was read well after its newest event needs none. Progress is stored
after each page, so a task that dies, or a list that Stripe refuses, costs one page.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import transaction

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeAccount, SyncObject
from billing.models.sync_object import ObjectKind
from billing.stripe import events
from billing.stripe.client import client_for
from billing.stripe.errors import StripeCredentialsRefused, StripeObjectMissing, StripeRefused
from billing.stripe.snapshots import EventSnapshot
from billing.sync import service as sync
from billing.sync.request_back_off import RequestBackOff
from billing.sync.selectors import back_offs
from common.errors import DomainError, Unavailable
from common.queue import enqueue
from webhooks import routing
from webhooks.envelope import belongs_elsewhere
from webhooks.models import InboundEvent
from webhooks.routing import Target

log = structlog.get_logger(__name__)

OVERLAP = timedelta(hours=1)
"""Time before the last event from which the list is read again: events may be listed late."""
KEPT_AT_STRIPE = timedelta(days=30)
"""Time for which Stripe keeps events; reconciliation covers older changes."""
CLOCK_SKEW = timedelta(minutes=5)
"""Our clock may be this far ahead of Stripe's before a read counts as older than an event."""
REQUEST = back_offs.read_request("event")
MAX_RUN_SECONDS = 30.0
"""After this time a run begins no other account; a task may take 50 seconds."""
PAGES_PER_ACCOUNT = 5
"""Pages of one account before the next account's turn."""
PAUSE = timedelta(minutes=5)
"""Time between two complete reads of an account."""
READER_LEASE = timedelta(seconds=90)
"""Time for which a reader has an account to itself; every task has ended by then."""


class ChangedObject(NamedTuple):
    """An object that changed, and its newest event."""

    target: Target
    event_id: str
    created_at: datetime


def catch_up(*, account: StripeAccount, at: datetime) -> int:
    """Request syncs of objects whose events did not arrive. Returns how many.

    Progress is stored after each page: the next call begins behind the last one. Raises the errors
    of ``billing.stripe.errors``.
    """
    requested, is_over = 0, False
    while not is_over:
        count, is_over = _read_page(account, at)
        requested += count
    return requested


def catch_up_everywhere(*, at: datetime, clock: Callable[[], float] = time.monotonic) -> int:
    """Do :func:`catch_up` for every account with a key, round robin, a few pages at a time.

    Ends after 30 seconds and wakes a worker for the rest. An account that fails backs off. Several
    workers may run this at once: each account has one reader.
    """
    back_off = RequestBackOff()
    deadline = clock() + MAX_RUN_SECONDS
    due = [
        row for row in stripe_accounts.with_key() if not back_off.is_backing_off(row.pk, REQUEST)
    ]
    due.sort(key=lambda row: (row.events_read_at is not None, row.events_read_at))
    requested = 0
    accounts = deque(due)
    leased_ids: set[str] = set()
    while accounts:
        if clock() >= deadline:
            _release([row for row in accounts if row.pk in leased_ids], at)
            enqueue("webhooks.catch_up")
            break
        account = accounts.popleft()
        if account.pk not in leased_ids and not _take(account, at):
            continue
        leased_ids.add(account.pk)
        count, is_over = _read_pages(account, back_off, at)
        requested += count
        if not is_over:
            accounts.append(account)
    return requested


def _release(accounts: list[StripeAccount], at: datetime) -> None:
    """Let the next run continue with these accounts at once."""
    rows = StripeAccount.objects.filter(pk__in=[each.pk for each in accounts])
    rows.update(events_read_at=at - READER_LEASE)


def _take(account: StripeAccount, at: datetime) -> bool:
    """Lease the account for one reader. False if it is not due or has a reader."""
    rows = StripeAccount.objects.filter(pk=account.pk, events_read_at=account.events_read_at)
    read_at = account.events_read_at
    if read_at is not None and at - PAUSE < read_at <= at and not account.events_page_end:
        return False
    if read_at is not None and at - READER_LEASE < read_at <= at:
        return False
    return rows.update(events_read_at=at) == 1


def _read_pages(account: StripeAccount, back_off: RequestBackOff, at: datetime) -> tuple[int, bool]:
    """Read a few pages. Returns how many objects were requested, and whether none is left."""
    requested = 0
    for _ in range(PAGES_PER_ACCOUNT):
        try:
            count, is_over = _read_page(account, at)
        except Exception as error:  # noqa: BLE001  # one account's trouble must not stop the others
            log.warning("catch_up_failed", account=account.pk, error=type(error).__name__)
            failure = error if isinstance(error, DomainError) else Unavailable()
            back_off.record_failure(account.pk, REQUEST, failure)
            return requested, True
        requested += count
        back_off.record_answer(account.pk, REQUEST)
        if is_over:
            return requested, True
    return requested, False


def _read_page(account: StripeAccount, at: datetime) -> tuple[int, bool]:
    """Request what one page names and store the progress, in one transaction."""
    seen_until = account.events_seen_until or account.created_at
    since = max(seen_until - OVERLAP, at - KEPT_AT_STRIPE)
    try:
        listed, end = events.page(client_for(account), since=since, after=account.events_page_end)
    except StripeCredentialsRefused:
        raise
    except (StripeRefused, StripeObjectMissing):
        if not account.events_page_end:
            raise
        account.events_page_end = (
            ""  # Stripe no longer has that event: start again at the newest page
        )
        return 0, False
    with transaction.atomic():
        requested = _request_missed(account, list(_newest_first(account, listed)))
        _store_progress(account, listed, end)
    return requested, not end


def _store_progress(account: StripeAccount, listed: list[EventSnapshot], end: str) -> None:
    newest = max((changed.created_at for changed in _newest_first(account, listed)), default=None)
    times = [time_ for time_ in (account.events_page_newest, newest) if time_ is not None]
    account.events_page_newest = max(times, default=None)
    account.events_page_end = end
    if not end:
        account.events_seen_until = account.events_page_newest or account.events_seen_until
        account.events_page_newest = None
    StripeAccount.objects.filter(pk=account.pk).update(
        events_seen_until=account.events_seen_until,
        events_page_end=account.events_page_end,
        events_page_newest=account.events_page_newest,
    )


def _newest_first(
    account: StripeAccount, listed: Iterable[EventSnapshot]
) -> Iterator[ChangedObject]:
    """The newest event of each mirrored object. Leaves out events of connected accounts: the
    platform's key must not read their ids as the platform's own."""
    seen: set[Target] = set()
    for event in listed:
        if belongs_elsewhere(event.payload, account):
            continue
        target = routing.target(event.type, _subject(event))
        if target is not None and target not in seen:
            seen.add(target)
            yield ChangedObject(target, event.stripe_id, event.created_at)


def _subject(event: EventSnapshot) -> dict[str, object]:
    data = event.payload.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    return subject if isinstance(subject, dict) else {}


def _request_missed(account: StripeAccount, chunk: list[ChangedObject]) -> int:
    arrived = set(
        InboundEvent.objects.filter(
            endpoint__account=account,
            event_id__in=[changed.event_id for changed in chunk],
            sync__isnull=False,
        ).values_list("event_id", flat=True)
    )
    read_at = _read_at(account, chunk)
    missed = [
        changed.target
        for changed in chunk
        if changed.event_id not in arrived
        and not (
            changed.target in read_at and read_at[changed.target] > changed.created_at + CLOCK_SKEW
        )
    ]
    for kind, stripe_id in sorted(missed):
        sync.request_sync(account_id=account.pk, kind=kind, stripe_id=stripe_id)
    if missed:
        enqueue("billing.sync")
    return len(missed)


def _read_at(account: StripeAccount, chunk: list[ChangedObject]) -> dict[Target, datetime]:
    """When these objects were last read and applied."""
    rows = SyncObject.objects.filter(
        account=account,
        stripe_id__in=[changed.target.stripe_id for changed in chunk],
        applied_at__isnull=False,
    )
    return {
        Target(ObjectKind(kind), stripe_id): applied_at
        for kind, stripe_id, applied_at in rows.values_list("kind", "stripe_id", "applied_at")
        if applied_at is not None
    }
