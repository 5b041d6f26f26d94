"""Which Stripe account a secret key opens, and whether it is the one that our rows are about.

A key of another account answers 404 for everything that we mirror, which reads like "gone". So the
account's id is pinned at the first use of a key, and every client is compared with the pin before
it is handed out. A key belongs to one account for ever: a process asks Stripe once for each key.
"""

import hashlib

import structlog
from django.db.models.functions import Now
from stripe import StripeClient

from billing import endpoint_cache
from billing.models import StripeAccount, StripeCustomer
from billing.stripe import accounts, customers
from billing.stripe.errors import StripeObjectMissing, StripeUnavailable
from common import fair_queue

log = structlog.get_logger(__name__)

MAX_KEYS = 10_000
"""Keys that a process remembers; one more, and all are forgotten."""

_account_of_key: dict[str, str] = {}
"""SHA-256 of a secret key to the ``acct_…`` that it opens."""


class StripeAccountMismatch(StripeUnavailable):
    """The key opens another Stripe account than the one that our rows mirror.

    It says nothing about any object, so whatever was asked waits until the key is replaced.
    """

    code, title = "stripe-account-mismatch", "The Stripe key belongs to another Stripe account."


def check(account: StripeAccount, secret_key: str, client: StripeClient) -> None:
    """Pin the account that the key opens, or compare it with the pin.

    Raises StripeAccountMismatch, and what Stripe says about a key that it has not seen before.
    """
    opened = _find_account(secret_key, client)
    if not account.stripe_id:
        _pin(account, opened, client)
    if account.stripe_id != opened:
        _refuse(account, opened)
    if account.mismatched_at is not None:
        _store(account, mismatched_stripe_id="", mismatched_at=None)
        fair_queue.resume(owner=account.pk)
        log.info("stripe_account_matches_again", account=account.pk, stripe_id=opened)


def forget() -> None:
    """Ask Stripe again about every key, as a new process does."""
    _account_of_key.clear()


def _find_account(secret_key: str, client: StripeClient) -> str:
    digest = hashlib.sha256(secret_key.encode()).hexdigest()
    opened = _account_of_key.get(digest)
    if opened is None:
        opened = accounts.current(client).stripe_id
        if len(_account_of_key) >= MAX_KEYS:
            _account_of_key.clear()
        _account_of_key[digest] = opened
    return opened


def _pin(account: StripeAccount, opened: str, client: StripeClient) -> None:
    """Whoever comes first decides; a key that does not know our newest customer does not pin."""
    rows = StripeAccount.objects.filter(pk=account.pk)
    account.refresh_from_db(fields=["stripe_id", "mismatched_at"])
    if account.stripe_id:
        return
    if not _knows_our_customer(account, client):
        _refuse(account, opened)
    rows.filter(stripe_id="").update(stripe_id=opened, updated_at=Now())
    account.refresh_from_db(fields=["stripe_id"])
    endpoint_cache.forget()
    log.info("stripe_account_pinned", account=account.pk, stripe_id=account.stripe_id)


def _knows_our_customer(account: StripeAccount, client: StripeClient) -> bool:
    """Stripe answers for a customer for ever, deleted or not. True when we have none yet."""
    rows = StripeCustomer.objects.across_projects().filter(account=account, stripe_id__isnull=False)
    newest = rows.order_by("-pk").values_list("stripe_id", flat=True).first()
    if newest is None:
        return True
    try:
        customers.retrieve(client, newest)
    except StripeObjectMissing:
        return False
    return True


def _refuse(account: StripeAccount, opened: str) -> None:
    if account.mismatched_at is None or account.mismatched_stripe_id != opened:
        _store(account, mismatched_stripe_id=opened, mismatched_at=Now())
        log.error(
            "stripe_account_mismatch",
            account=account.pk,
            pinned=account.stripe_id,
            opened=opened,
        )
    raise StripeAccountMismatch(
        "The secret key opens another Stripe account than before. Nothing was read or written. "
        "An operator has to put the right key back; then send the same request again.",
        retry_after=60,
    )


def _store(account: StripeAccount, **values: object) -> None:
    StripeAccount.objects.filter(pk=account.pk).update(**values)
    account.refresh_from_db(fields=list(values))
