"""Many due objects of one kind in one account: their list is read instead of each object.

One request brings a hundred objects. All of them are leased before the first page is read, so each
fence is older than the page, as it is for an object that is read alone. An object that the list
does not contain, or that cannot be read from the list, is returned to be read by itself.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice

import structlog

from billing.models import StripeAccount
from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripeMalformed,
    StripeUnavailable,
)
from billing.stripe.fields import PAGE
from billing.stripe.snapshots import StripeSnapshot, UnreadableObject
from billing.sync import kinds, reader_threads, sync_queue
from billing.sync.batch_reads import ReadResult
from billing.sync.batch_store import BatchStore
from billing.sync.sync_queue import SyncLease

Page = list[StripeSnapshot | UnreadableObject]

log = structlog.get_logger(__name__)

MAX_LEASES = 1000
"""Objects that are claimed together."""
USELESS_SHARE = 1 / 10
"""Pages that save no request, as a share of the objects that are leased, after which the rest is
read one by one: so a list costs at most a tenth more requests than single reads."""
BUDGET_WAIT_SECONDS = 2.0
"""How long to wait for the account's budget before a page."""


def read_list(
    *, account_id: str, kind: str, answers: BatchStore, held: Sequence[SyncLease] = ()
) -> tuple[list[SyncLease], list[SyncLease]]:
    """Lease due objects beside those ``held``, whose leases begin anew, and store what the list
    says about them. Returns all leases, and the leases of objects that are still unread.

    Unread is what the list does not contain or what cannot be read from it, and everything that is
    not stored yet when Stripe refuses the list. Raises StripeUnavailable and
    StripeCredentialsRefused, after the release of every unread object.
    """
    limit = MAX_LEASES - len(held)
    leases = [*held, *sync_queue.claim_kind(account_id=account_id, kind=kind, limit=limit)]
    if held:
        sync_queue.renew(held)
    unread = {lease.stripe_id: lease for lease in leases}
    try:
        _read_pages(kind, unread, answers)
    except Exception as error:
        if _concerns_account(error):
            for lease in unread.values():
                sync_queue.release(lease)
            raise
        log.warning("bulk_read_failed", account=account_id, kind=kind, exc_info=True)
    return leases, list(unread.values())


def _concerns_account(error: Exception) -> bool:
    """Whether no object of the account can be read now, so that none needs to be tried."""
    if isinstance(error, StripeMalformed):
        return False
    return isinstance(error, StripeUnavailable | StripeCredentialsRefused)


def _read_pages(kind: str, unread: dict[str, SyncLease], answers: BatchStore) -> None:
    """Store objects page by page, and take them out of ``unread``. While a page is stored, Stripe
    is asked for the next one."""
    if not unread:
        return
    account = next(iter(unread.values())).account
    objects = kinds.of(kind).iterate(client_for(account))
    read = partial(_read_page, objects, account, kind)
    useless_pages, most_useless = 0, len(unread) * USELESS_SHARE
    next_page: Callable[[], Page] | None = read
    while next_page is not None:
        page = next_page()
        leased = _find_leased(page, unread)
        useless_pages += len(leased) <= 1
        is_last = len(page) < PAGE or len(leased) == len(unread)
        next_page = None if is_last or useless_pages > most_useless else reader_threads.begin(read)
        for stripe_id, snapshot in leased.items():
            answers.add(ReadResult(unread.pop(stripe_id), snapshot))
        answers.flush()
        sync_queue.renew(unread.values())


def _read_page(
    objects: Iterator[StripeSnapshot | UnreadableObject], account: StripeAccount, kind: str
) -> Page:
    """The next objects of the list; none if the account's budget does not allow a read soon."""
    if not budget.wait(account, Lane.BACKGROUND, kind=kind, patience=BUDGET_WAIT_SECONDS):
        return []
    return list(islice(objects, PAGE))


def _find_leased(page: Page, unread: Collection[str]) -> dict[str, StripeSnapshot]:
    """The readable objects of a page that are leased, by Stripe id."""
    return {
        snapshot.stripe_id: snapshot
        for snapshot in page
        if isinstance(snapshot, StripeSnapshot) and snapshot.stripe_id in unread
    }
