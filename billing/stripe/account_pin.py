"""Which Stripe account a secret key opens, and whether it is the account that our rows mirror.

Stripe answers 404 for every mirrored object when the key belongs to another account, which looks
like a deletion. Therefore the account's id is pinned at the first use of a key, and every client is
compared with the pin before it is returned. A key belongs to one account for ever: each process
asks Stripe once per key.
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
"""Keys that a process remembers; at the limit all of them are dropped."""

_account_of_key: dict[str, str] = {}
"""SHA-256 of a secret key to the ``acct_…`` that it opens."""


class StripeAccountMismatch(StripeUnavailable):
    """The key opens another Stripe account than the one that our rows mirror.

    It proves nothing about any object: the request waits until the key is replaced.
    """

    code, title = "stripe-account-mismatch", "The Stripe key belongs to another Stripe account."


def check(account: StripeAccount, secret_key: str, client: StripeClient) -> None:
    """Pin the account that the key opens, or compare it with the pin.

    Raises StripeAccountMismatch. Passes on the errors of Stripe's answer to a key that is new here.
    """
    opened_id = _find_account(secret_key, client)
    if not account.stripe_id:
        _pin(account, opened_id, client)
    if account.stripe_id != opened_id:
        _refuse(account, opened_id)
    if account.mismatched_at is not None:
        _store(account, mismatched_stripe_id="", mismatched_at=None)
        fair_queue.resume(owner=account.pk)
        log.info("stripe_account_matches_again", account=account.pk, stripe_id=opened_id)


def forget() -> None:
    """Drop all remembered keys, so that Stripe is asked again as in a new process."""
    _account_of_key.clear()


def _find_account(secret_key: str, client: StripeClient) -> str:
    digest = hashlib.sha256(secret_key.encode()).hexdigest()
    opened_id = _account_of_key.get(digest)
    if opened_id is None:
        opened_id = accounts.current(client).stripe_id
        if len(_account_of_key) >= MAX_KEYS:
            _account_of_key.clear()
        _account_of_key[digest] = opened_id
    return opened_id


def _pin(account: StripeAccount, opened_id: str, client: StripeClient) -> None:
    """Pin the account unless another process already did.

    Raises StripeAccountMismatch when the key does not open our newest customer.
    """
    rows = StripeAccount.objects.filter(pk=account.pk)
    account.refresh_from_db(fields=["stripe_id", "mismatched_at"])
    if account.stripe_id:
        return
    if not _knows_our_customer(account, client):
        _refuse(account, opened_id)
    rows.filter(stripe_id="").update(stripe_id=opened_id, updated_at=Now())
    account.refresh_from_db(fields=["stripe_id"])
    endpoint_cache.forget()
    log.info("stripe_account_pinned", account=account.pk, stripe_id=account.stripe_id)


def _knows_our_customer(account: StripeAccount, client: StripeClient) -> bool:
    """True if Stripe has our newest customer, or if we have none yet.

    Stripe keeps answering for a customer after its deletion.
    """
    rows = StripeCustomer.objects.across_projects().filter(account=account, stripe_id__isnull=False)
    newest = rows.order_by("-pk").values_list("stripe_id", flat=True).first()
    if newest is None:
        return True
    try:
        customers.retrieve(client, newest)
    except StripeObjectMissing:
        return False
    return True


def _refuse(account: StripeAccount, opened_id: str) -> None:
    if account.mismatched_at is None or account.mismatched_stripe_id != opened_id:
        _store(account, mismatched_stripe_id=opened_id, mismatched_at=Now())
        log.error(
            "stripe_account_mismatch",
            account=account.pk,
            pinned=account.stripe_id,
            opened=opened_id,
        )
    raise StripeAccountMismatch(
        "The secret key opens another Stripe account than before. Nothing was read or written. "
        "An operator has to put the right key back; then send the same request again.",
        retry_after=60,
    )


def _store(account: StripeAccount, **values: object) -> None:
    StripeAccount.objects.filter(pk=account.pk).update(**values)
    account.refresh_from_db(fields=list(values))
