"""Stripe accounts of projects, their endpoints and signing secrets."""

from django.conf import settings
from django.db.models import Q

from billing.models import StripeAccount, StripeEndpoint
from billing.stripe.client import is_live
from common import crypto
from common.prepared_queries import Parameter, PreparedQuery
from projects.models import Project

_OWN = PreparedQuery(
    lambda: StripeAccount.objects.filter(project=Parameter("project_id")).order_by("id")[:1]
)
_LIVE_ENDPOINT = PreparedQuery(
    lambda: StripeEndpoint.objects.filter(
        account=Parameter("account_id"), disabled_at__isnull=True
    ).order_by("id")[:1]
)


def own(project: Project) -> StripeAccount | None:
    """The project's own account, if it has connected one."""
    return _OWN.first(project_id=project.pk)


def with_key() -> list[StripeAccount]:
    """All accounts with a key: the platform's in its key's mode, and the projects' own."""
    platform_key = settings.BILLING.stripe_secret_key
    accounts = StripeAccount.objects.select_related("project").order_by("id")
    return [
        account
        for account in accounts
        if account.secret_key
        or (account.is_shared and platform_key and account.livemode == is_live(platform_key))
    ]


def mismatched() -> int:
    """Number of keys in use that open another Stripe account than the pinned one."""
    platform_key = settings.BILLING.stripe_secret_key
    in_use = Q(project__isnull=False) | Q(livemode=is_live(platform_key))
    return StripeAccount.objects.filter(in_use, mismatched_at__isnull=False).count()


def lacking_permissions() -> int:
    """Number of accounts whose restricted key lacks a permission."""
    return sum(1 for account in with_key() if account.missing_permissions)


def projects_without_key() -> int:
    """Number of active projects that cannot sell: they have no Stripe account of their own, and the
    platform has no key of their mode."""
    rows = Project.objects.filter(own_stripe_account=None, suspended_at__isnull=True)
    platform_key = settings.BILLING.stripe_secret_key
    if platform_key:
        rows = rows.exclude(livemode=is_live(platform_key))
    return rows.count()


def endpoint_of(account: StripeAccount) -> StripeEndpoint | None:
    """The live endpoint to which Stripe sends this account's events."""
    endpoint = _LIVE_ENDPOINT.first(account_id=account.pk)
    if endpoint is not None:
        endpoint.account = account
    return endpoint


def endpoint_by_token(token: str) -> StripeEndpoint | None:
    """The live endpoint with this token in its address."""
    return (
        StripeEndpoint.objects.select_related("account")
        .filter(token=token, disabled_at__isnull=True)
        .first()
    )


def signing_secrets(endpoint: StripeEndpoint) -> list[str]:
    """The live signing secrets in plain text, newest first: only for verification."""
    if endpoint.account.is_shared:
        return list(settings.BILLING.stripe_webhook_secrets)
    return [crypto.decrypt(sealed, context=endpoint.secret_context) for sealed in endpoint.secrets]


def lock(account_id: str) -> StripeAccount:
    """The account's row, locked until the transaction ends."""
    return StripeAccount.objects.select_for_update().get(pk=account_id)


def lock_endpoint(account: StripeAccount) -> StripeEndpoint:
    """The account's endpoint, locked until the transaction ends."""
    return (
        StripeEndpoint.objects.select_for_update()
        .filter(account=account, disabled_at__isnull=True)
        .order_by("id")
        .get()
    )
