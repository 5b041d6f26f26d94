"""Webhook endpoints in the console: their addresses, never their signing secrets."""

from collections.abc import Iterable

from django.conf import settings

from billing.models import StripeEndpoint
from common.admin import columns
from common.admin.sections import Section


def address(row: StripeEndpoint) -> str:
    """The address to enter at Stripe. That of the platform's own endpoint has no token."""
    base = f"{settings.PUBLIC_URL}/webhooks/stripe"
    return base if row.account.is_shared else f"{base}/{row.token}"


def secrets(row: StripeEndpoint) -> str:
    if row.account.is_shared:
        return f"{len(settings.BILLING.stripe_webhook_secrets)}, from the environment"
    return str(len(row.secrets))


def section(rows: Iterable[StripeEndpoint]) -> Section:
    return Section(
        title="Endpoints",
        headers=["Endpoint", "Address for Stripe", "Live secrets", "State"],
        rows=[
            [
                columns.link(row, row.pk),
                columns.code(address(row)),
                secrets(row),
                columns.badge("disabled" if row.disabled_at else "active"),
            ]
            for row in rows
        ],
        empty="No endpoint: Stripe cannot send events of this account.",
    )
