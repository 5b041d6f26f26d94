"""Whether the keys of Stripe accounts may do all that we ask: looked at when a key is new, and
once a day.

A restricted key that lacks a permission stops only what needs it (``request_back_off``); here it is
found out before somebody buys. docs/stripe-keys.md lists the permissions.
"""

import hashlib
from datetime import datetime, timedelta

import structlog

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeAccount
from billing.stripe import budget, permissions
from billing.stripe.budget import Lane
from billing.stripe.client import client_for, secret_key_of
from billing.stripe.errors import StripeCredentialsRefused, StripeUnavailable
from billing.sync.request_back_off import RequestBackOff
from billing.sync.selectors import back_offs
from common import fair_queue

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)
"""How often the same key is looked at: permissions can be changed at Stripe."""
REQUEST = "permissions.read"
PATIENCE = 5.0
"""Seconds to wait for leave to send one request."""
SLOW = StripeUnavailable("The account is asked as often as it may be.", retry_after=60)


def check_due(*, at: datetime) -> int:
    """Look at every key that is new or was not looked at for a day; how many were. An account that
    does not answer backs off."""
    back_off = RequestBackOff()
    checked = 0
    for account in stripe_accounts.with_key():
        if _is_due(account, at) and not back_off.is_waiting(account.pk, REQUEST):
            checked += 1
            try:
                check(account=account, at=at)
            except (StripeUnavailable, StripeCredentialsRefused) as error:
                back_off.failed(account.pk, REQUEST, error)
            else:
                back_off.answered(account.pk, REQUEST)
    return checked


def check(*, account: StripeAccount, at: datetime) -> list[str]:
    """The permissions that the account's key lacks, which are remembered for the console and
    ``/health``; what waits for one that is there now is tried at once.

    Raises StripeUnavailable, and StripeCredentialsRefused for a key that opens nothing.
    """
    key = secret_key_of(account)
    found = permissions.missing(client_for(account), key, wait=lambda: _wait(account))
    if set(account.missing_permissions) - set(found):
        fair_queue.resume(owner=account.pk, queue=back_offs.RULE.queue)
    StripeAccount.objects.filter(pk=account.pk).update(
        missing_permissions=found, permissions_checked_at=at, permissions_key=_digest(key)
    )
    if found:
        log.warning("stripe_permissions_missing", account=account.pk, permissions=found)
    return found


def _is_due(account: StripeAccount, at: datetime) -> bool:
    last = account.permissions_checked_at
    if last is None or at - last >= EVERY:
        return True
    try:
        return account.permissions_key != _digest(secret_key_of(account))
    except StripeCredentialsRefused:
        return False


def _wait(account: StripeAccount) -> None:
    if not budget.wait(account, Lane.BACKGROUND, patience=PATIENCE):
        raise SLOW


def _digest(secret_key: str) -> str:
    """Of a random key of more than 128 bits: it leads back to nothing."""
    return hashlib.sha256(secret_key.encode()).hexdigest()
