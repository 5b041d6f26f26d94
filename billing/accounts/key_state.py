"""Whether Stripe accepts the secret key of a project's own account, with an event per change.

A refusal is found by any request of a queue, which then backs off with the whole account; only then
Stripe is asked here, so that a key that works costs no request. The platform's key has no tenant
and no event.
"""

from datetime import datetime

import structlog
from django.db import transaction

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeAccount
from billing.representation.stripe_accounts import stripe_key
from billing.stripe import accounts
from billing.stripe.client import client_with, secret_key_of
from billing.stripe.errors import StripeCredentialsRefused, StripePermissionMissing
from billing.sync.selectors import back_offs
from common import fair_queue
from common.errors import DomainError
from common.models import BackOff
from events.catalog import EventType
from events.log import outbox

log = structlog.get_logger(__name__)


def check_due(*, at: datetime) -> int:
    """Ask Stripe about the keys that were refused by the last request; returns how many."""
    due = list(_due())
    for account in due:
        try:
            is_refused = _is_refused(account)
        except DomainError as error:
            log.warning("stripe_key_not_checked", account=account.pk, error=error.code)
            continue
        with transaction.atomic():
            record(stripe_accounts.lock(account.pk), is_refused=is_refused, at=at)
    return len(due)


def record(account: StripeAccount, *, is_refused: bool, at: datetime) -> None:
    """Store whether Stripe refuses the key of a locked account, and record the change if it is one.

    An accepted key ends the back-off of the whole account.
    """
    if not is_refused:
        fair_queue.record_success(
            back_offs.RULE, owner=account.pk, subjects=[back_offs.WHOLE_ACCOUNT]
        )
    if account.project_id is None or is_refused == (account.key_refused_at is not None):
        return
    before = stripe_key(account)
    account.key_refused_at = at if is_refused else None
    account.save(update_fields=["key_refused_at", "updated_at"])
    after = stripe_key(account)
    outbox.record(
        project_id=account.project_id,
        event_type=(
            EventType.STRIPE_ACCOUNT_KEY_REFUSED
            if is_refused
            else EventType.STRIPE_ACCOUNT_KEY_ACCEPTED
        ),
        subject=account.pk,
        data=after,
        previous=outbox.previous_values(before, after),
        at=at,
    )


def _due() -> list[StripeAccount]:
    """Projects' own accounts whose last request was refused for the key, or whose key was refused
    when Stripe was last asked."""
    refused = BackOff.objects.filter(
        queue=back_offs.RULE.queue,
        subject=back_offs.WHOLE_ACCOUNT,
        code=StripeCredentialsRefused.code,
    )
    owners = set(refused.values_list("owner", flat=True))
    return [
        account
        for account in stripe_accounts.with_key()
        if not account.is_shared and (account.key_refused_at or account.pk in owners)
    ]


def _is_refused(account: StripeAccount) -> bool:
    """Ask Stripe. A key that lacks a permission is accepted. Raises StripeUnavailable."""
    try:
        accounts.current(client_with(secret_key_of(account)))
    except StripePermissionMissing:
        return False
    except StripeCredentialsRefused:
        return True
    return False
