"""Publishable keys (``pk_…``): what a front end needs to start Stripe.js.

They are public, so they are stored as they are. The platform's own key is in the environment.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.accounts.selectors import stripe_accounts
from billing.conf import PUBLISHABLE_KEY
from billing.errors import WrongStripeAccount
from billing.models import StripeAccount
from common.errors import Invalid
from events.audit import audit_trail as audit
from projects.models import Project


def of_account(account: StripeAccount) -> str | None:
    """The key that belongs to the account; None if none is set."""
    if not account.is_shared:
        return account.publishable_key or None
    return _platform_key(livemode=account.livemode)


def of_project(project: Project) -> str | None:
    """The key of the account that the project sells through; None if none is set."""
    own = stripe_accounts.own(project)
    return _platform_key(livemode=project.livemode) if own is None else of_account(own)


def replace(
    *, account: StripeAccount, publishable_key: str, actor: str, at: datetime, reason: str = ""
) -> StripeAccount:
    """Give front ends this key from now on. Raises Invalid, and WrongStripeAccount for a key of
    the other mode."""
    check(publishable_key, livemode=account.livemode)
    with transaction.atomic():
        account = stripe_accounts.lock(account.pk)
        before, account.publishable_key = account.publishable_key, publishable_key
        account.save(update_fields=["publishable_key", "updated_at"])
        audit.record(
            actor=actor,
            action="stripe_account.set_publishable_key",
            subject=account.pk,
            project_id=account.project_id,
            at=at,
            reason=reason,
            before={"publishable_key": before},
            after={"publishable_key": publishable_key},
        )
    return account


def check(publishable_key: str, *, livemode: bool) -> None:
    """Raises Invalid for a text that is no publishable key, WrongStripeAccount for a key of the
    other mode. Stripe has no call that says to which account a key belongs."""
    if PUBLISHABLE_KEY.fullmatch(publishable_key) is None:
        raise Invalid(
            "A publishable key starts with pk_test_ or pk_live_.", field="publishable_key"
        )
    if not _is_of_mode(publishable_key, livemode=livemode):
        mode = "live" if livemode else "test"
        raise WrongStripeAccount(f"This project is {mode}: send its {mode} publishable key.")


def _platform_key(*, livemode: bool) -> str | None:
    key: str = settings.BILLING.stripe_publishable_key
    return key if _is_of_mode(key, livemode=livemode) else None


def _is_of_mode(publishable_key: str, *, livemode: bool) -> bool:
    return publishable_key.startswith("pk_live_" if livemode else "pk_test_")
