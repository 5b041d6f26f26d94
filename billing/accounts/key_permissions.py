"""Check the permissions of the keys of Stripe accounts: of each new key, and once a day.

A missing permission stops only the requests that need it (``request_back_off``). This check finds
it before a buyer does. docs/stripe-keys.md lists the permissions.
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

CHECK_INTERVAL = timedelta(days=1)
"""Time between two checks of a key: its permissions can change at Stripe."""
REQUEST = "permissions.read"
BUDGET_PATIENCE_SECONDS = 5.0
"""Longest wait for the request budget."""
BUDGET_SPENT = StripeUnavailable("The account's rate limit is used up.", retry_after=60)


def check_due(*, at: datetime) -> int:
    """Check all keys that are new or were checked more than a day ago; returns how many. An account
    that does not answer backs off."""
    back_off = RequestBackOff()
    checked = 0
    for account in stripe_accounts.with_key():
        if _is_due(account, at) and not back_off.is_backing_off(account.pk, REQUEST):
            checked += 1
            try:
                check(account=account, at=at)
            except (StripeUnavailable, StripeCredentialsRefused) as error:
                back_off.record_failure(account.pk, REQUEST, error)
            else:
                back_off.record_answer(account.pk, REQUEST)
    return checked


def check(*, account: StripeAccount, at: datetime) -> list[str]:
    """Find and store the permissions that the account's key lacks, for the console and ``/health``.

    Requests that waited for a permission that is now present are tried at once. Raises
    StripeUnavailable, and StripeCredentialsRefused for a refused key.
    """
    key = secret_key_of(account)
    missing = permissions.missing(client_for(account), key, wait=lambda: _wait_for_budget(account))
    if set(account.missing_permissions) - set(missing):
        fair_queue.resume(owner=account.pk, queue=back_offs.RULE.queue)
    StripeAccount.objects.filter(pk=account.pk).update(
        missing_permissions=missing, permissions_checked_at=at, permissions_key=_digest(key)
    )
    if missing:
        log.warning("stripe_permissions_missing", account=account.pk, permissions=missing)
    return missing


def _is_due(account: StripeAccount, at: datetime) -> bool:
    last = account.permissions_checked_at
    if last is None or at - last >= CHECK_INTERVAL:
        return True
    try:
        return account.permissions_key != _digest(secret_key_of(account))
    except StripeCredentialsRefused:
        return False


def _wait_for_budget(account: StripeAccount) -> None:
    if not budget.wait(account, Lane.BACKGROUND, patience=BUDGET_PATIENCE_SECONDS):
        raise BUDGET_SPENT


def _digest(secret_key: str) -> str:
    """SHA-256 of the key, which has more than 128 random bits: it cannot be guessed from this."""
    return hashlib.sha256(secret_key.encode()).hexdigest()
