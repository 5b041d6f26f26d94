"""The Stripe account that a project sells through."""

from typing import Annotated, TypedDict

from billing.models import StripeAccount, StripeEndpoint


class StripeAccountBody(TypedDict):
    """A project's Stripe account, without its secrets."""

    id: str
    is_shared: Annotated[bool, "True: the platform's account, which many projects share."]
    name: str
    livemode: bool
    stripe_id: str | None
    secret_key_last_four: str | None
    webhook_url: Annotated[
        str | None, "Enter this address as the webhook endpoint in Stripe's dashboard."
    ]
    signing_secrets: Annotated[
        int | None, "Number of signing secrets that are accepted: 0, 1 or 2."
    ]
    missing_permissions: Annotated[
        list[str] | None,
        "Permissions that a restricted key lacks, by Stripe's names. Checked when a key "
        "is new and once a day.",
    ]


def stripe_account(
    row: StripeAccount, *, endpoint: StripeEndpoint | None, public_url: str
) -> StripeAccountBody:
    """A Stripe account without its secrets. The shared account shows only that it is shared."""
    own = endpoint if not row.is_shared else None
    return {
        "id": row.pk,
        "is_shared": row.is_shared,
        "name": row.name,
        "livemode": row.livemode,
        "stripe_id": row.stripe_id or None,
        "secret_key_last_four": row.secret_key_last_four or None,
        "webhook_url": f"{public_url}/webhooks/stripe/{own.token}" if own else None,
        "signing_secrets": len(own.secrets) if own else None,
        "missing_permissions": row.missing_permissions if own else None,
    }
