"""The Stripe accounts that a reconciliation compares."""

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeAccount
from projects.models import Project


def accounts(*, project: Project | None = None) -> list[StripeAccount]:
    """The accounts to compare: all with a key, or the one that this project sells through."""
    all_accounts = stripe_accounts.with_key()
    if project is None:
        return all_accounts
    own = [account for account in all_accounts if account.project_id == project.pk]
    shared = [
        account
        for account in all_accounts
        if account.is_shared and account.livemode == project.livemode
    ]
    return own or shared
