"""The second net: ask Stripe what happened lately, in case a webhook never arrived.

Only marks objects to be read again. An object whose newest event did arrive has been marked by
it, and one that was read well after its newest event needs nothing. Each page of the list is done
for good, so a task that dies, or a list that Stripe stops giving, costs one page.
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
"""How far before the last event seen we look: Stripe's list may be late."""
FURTHEST = timedelta(days=30)
"""Stripe forgets events after that; reconciliation covers what is older."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far our clock may run ahead of Stripe's before a read counts as older than an event."""
REQUEST = back_offs.read_request("event")
PATIENCE = 30.0
"""Seconds after which a run begins no other turn; a task may take 50."""
PAGES = 5
"""Pages of one account in one turn."""
PAUSE = timedelta(minutes=5)
"""An account that was read to its end is not due again before."""
READER = timedelta(seconds=90)
"""For so long after a reader began, nobody else reads the account: a task is over by then."""


class News(NamedTuple):
    """An object that changed, and the newest event that says so."""

    target: Target
    event_id: str
    created_at: datetime


def catch_up(*, account: StripeAccount, at: datetime) -> int:
    """Mark what changed at Stripe without us hearing of it; how many objects that are.

    Every page that is read is done for good: whatever ends this, the next call begins behind it.
    Raises what Stripe's errors are sorted into.
    """
    marked, is_over = 0, False
    while not is_over:
        found, is_over = _read_page(account, at)
        marked += found
    return marked


def catch_up_everywhere(*, at: datetime, clock: Callable[[], float] = time.monotonic) -> int:
    """As :func:`catch_up`, for every account that we hold a key of, a few pages of each by turns.

    Ends after 30 seconds and rings for the rest. An account that fails backs off. Several workers
    may do this at once: each account has one reader.
    """
    back_off = RequestBackOff()
    stop = clock() + PATIENCE
    waiting = [
        each for each in stripe_accounts.with_key() if not back_off.is_backing_off(each.pk, REQUEST)
    ]
    waiting.sort(key=lambda each: (each.events_read_at is not None, each.events_read_at))
    marked = 0
    turns = deque(waiting)
    taken: set[str] = set()
    while turns:
        if clock() >= stop:
            _let_go([each for each in turns if each.pk in taken], at)
            enqueue("webhooks.catch_up")
            break
        account = turns.popleft()
        if account.pk not in taken and not _take(account, at):
            continue
        taken.add(account.pk)
        found, is_over = _read_pages(account, back_off, at)
        marked += found
        if not is_over:
            turns.append(account)
    return marked


def _let_go(accounts: list[StripeAccount], at: datetime) -> None:
    """Whoever comes next may go on with them at once."""
    rows = StripeAccount.objects.filter(pk__in=[each.pk for each in accounts])
    rows.update(events_read_at=at - READER)


def _take(account: StripeAccount, at: datetime) -> bool:
    """Whether it is due and nobody else reads it."""
    rows = StripeAccount.objects.filter(pk=account.pk, events_read_at=account.events_read_at)
    read_at = account.events_read_at
    if read_at is not None and at - PAUSE < read_at <= at and not account.events_page_end:
        return False
    if read_at is not None and at - READER < read_at <= at:
        return False
    return rows.update(events_read_at=at) == 1


def _read_pages(account: StripeAccount, back_off: RequestBackOff, at: datetime) -> tuple[int, bool]:
    """One turn of an account: how many objects were marked, and whether it is at its end."""
    marked = 0
    for _ in range(PAGES):
        try:
            found, is_over = _read_page(account, at)
        except Exception as error:  # noqa: BLE001  # one account's trouble must not stop the others
            log.warning("catch_up_failed", account=account.pk, error=type(error).__name__)
            failure = error if isinstance(error, DomainError) else Unavailable()
            back_off.record_failure(account.pk, REQUEST, failure)
            return marked, True
        marked += found
        back_off.record_answer(account.pk, REQUEST)
        if is_over:
            return marked, True
    return marked, False


def _read_page(account: StripeAccount, at: datetime) -> tuple[int, bool]:
    """Mark what one page names and remember that it is done, in one transaction."""
    since = max((account.events_seen_until or account.created_at) - OVERLAP, at - FURTHEST)
    try:
        listed, end = events.page(client_for(account), since=since, after=account.events_page_end)
    except StripeCredentialsRefused:
        raise
    except (StripeRefused, StripeObjectMissing):
        if not account.events_page_end:
            raise
        account.events_page_end = ""  # Stripe has forgotten that event: from the newest page again
        return 0, False
    with transaction.atomic():
        marked = _mark_missed(account, list(_newest_first(account, listed)))
        _remember(account, listed, end)
    return marked, not end


def _remember(account: StripeAccount, listed: list[EventSnapshot], end: str) -> None:
    newest = max((news.created_at for news in _newest_first(account, listed)), default=None)
    known = [each for each in (account.events_page_newest, newest) if each is not None]
    account.events_page_newest = max(known, default=None)
    account.events_page_end = end
    if not end:
        account.events_seen_until = account.events_page_newest or account.events_seen_until
        account.events_page_newest = None
    StripeAccount.objects.filter(pk=account.pk).update(
        events_seen_until=account.events_seen_until,
        events_page_end=account.events_page_end,
        events_page_newest=account.events_page_newest,
    )


def _newest_first(account: StripeAccount, listed: Iterable[EventSnapshot]) -> Iterator[News]:
    """The newest event of each object. An event of no mirrored object does not count, nor does one
    of a connected account: the platform's key must not read its ids as the platform's own."""
    seen: set[Target] = set()
    for event in listed:
        if belongs_elsewhere(event.payload, account):
            continue
        target = routing.target(event.type, _subject(event))
        if target is not None and target not in seen:
            seen.add(target)
            yield News(target, event.stripe_id, event.created_at)


def _subject(event: EventSnapshot) -> dict[str, object]:
    data = event.payload.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    return subject if isinstance(subject, dict) else {}


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
    for kind, stripe_id in sorted(missed):
        sync.request_sync(account_id=account.pk, kind=kind, stripe_id=stripe_id)
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
        Target(ObjectKind(kind), stripe_id): applied_at
        for kind, stripe_id, applied_at in rows.values_list("kind", "stripe_id", "applied_at")
        if applied_at is not None
    }
