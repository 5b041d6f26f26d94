"""Many dirty objects of one kind in one account: their list is read instead of each of them.

One request brings a hundred objects. All are claimed before the first page is read, so every fence
is older than what the page says, as it is for an object that is read alone. An object that the list
does not show, or shows in a way that cannot be read, is left over to be read by itself.
"""

from collections.abc import Callable
from itertools import islice

import structlog

from billing.stripe import budget
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import (
    StripeCredentialsRefused,
    StripeMalformed,
    StripeUnavailable,
)
from billing.stripe.fields import PAGE
from billing.stripe.snapshots import Snapshot
from billing.sync import kinds
from billing.sync import sync_queue as leases
from billing.sync.sync_queue import Claim

log = structlog.get_logger(__name__)

MOST = 1000
"""Objects that are claimed together."""
DRY = 3
"""Pages in a row without anything dirty after which the rest is read one by one."""
PATIENCE = 2.0
"""Seconds to wait for leave to read a page."""


def read(
    *, account_id: str, kind: str, store: Callable[[Claim, Snapshot], None]
) -> tuple[list[Claim], list[Claim]]:
    """Store what the list says about dirty objects; all that were claimed, and those left over.

    Left over is what the list does not show or what cannot be read of it, and everything that is
    not stored yet when Stripe refuses the list. Raises StripeUnavailable and
    StripeCredentialsRefused, with every claim that is left over given back.
    """
    claims = leases.claim_crowd(account_id=account_id, kind=kind, limit=MOST)
    left = {each.stripe_id: each for each in claims}
    try:
        _read_pages(kind, left, store)
    except Exception as error:
        if _is_of_account(error):
            for each in left.values():
                leases.release(each)
            raise
        log.warning("bulk_read_failed", account=account_id, kind=kind, exc_info=True)
    return claims, list(left.values())


def _is_of_account(error: Exception) -> bool:
    """Whether no object of the account can be read now, so that none needs to be tried."""
    if isinstance(error, StripeMalformed):
        return False
    return isinstance(error, StripeUnavailable | StripeCredentialsRefused)


def _read_pages(
    kind: str, left: dict[str, Claim], store: Callable[[Claim, Snapshot], None]
) -> None:
    """Takes what it has stored out of ``left``."""
    if not left:
        return
    account = next(iter(left.values())).account
    listed = kinds.of(kind).iterate(client_for(account))
    dry = 0
    while left and dry < DRY and budget.wait(account, Lane.BACKGROUND, patience=PATIENCE):
        page = list(islice(listed, PAGE))
        hits = [each for each in page if isinstance(each, Snapshot) and each.stripe_id in left]
        for snapshot in hits:
            store(left.pop(snapshot.stripe_id), snapshot)
        leases.hold(left.values())
        dry = 0 if hits else dry + 1
        if len(page) < PAGE:
            return
