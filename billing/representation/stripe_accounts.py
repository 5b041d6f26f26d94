"""The Stripe account that a project sells through."""

from typing import Annotated, TypedDict

from billing.models import StripeAccount, StripeEndpoint
from common.bodies import Time
from common.times import rfc3339


class StripeAccountBody(TypedDict):
    """A Stripe account; never its secrets."""

    id: str
    is_shared: Annotated[bool, "Whether it is the platform's account, used by several projects."]
    name: str
    livemode: bool
    stripe_id: str | None
    secret_key_last_four: str | None
    publishable_key: Annotated[str | None, "For Stripe.js in front ends (pk_…). Null: none is set."]
    webhook_url: Annotated[str | None, "The URL for the webhook endpoint at Stripe."]
    signing_secrets: Annotated[int | None, "Number of live signing secrets: 0, 1 or 2."]
    missing_permissions: Annotated[
        list[str] | None,
        "Permissions that a restricted key lacks, by Stripe's names. Checked when a key "
        "is new and once a day.",
    ]


class StripeKeyBody(TypedDict):
    """The secret key of a project's own Stripe account; never the key."""

    id: str
    name: str
    livemode: bool
    stripe_id: str | None
    secret_key_last_four: str | None
    refused_since: Annotated[
        Time | None,
        "Since when Stripe refuses the key: nothing is read or sold until it is replaced.",
    ]


def stripe_key(row: StripeAccount) -> StripeKeyBody:
    return {
        "id": row.pk,
        "name": row.name,
        "livemode": row.livemode,
        "stripe_id": row.stripe_id or None,
        "secret_key_last_four": row.secret_key_last_four or None,
        "refused_since": rfc3339(row.key_refused_at),
    }


def stripe_account(
    row: StripeAccount,
    *,
    endpoint: StripeEndpoint | None,
    publishable_key: str | None,
    public_url: str,
) -> StripeAccountBody:
    """Never contains secrets. For the platform's shared account, the members of an own account are
    null."""
    own = endpoint if not row.is_shared else None
    return {
        "id": row.pk,
        "is_shared": row.is_shared,
        "name": row.name,
        "livemode": row.livemode,
        "stripe_id": row.stripe_id or None,
        "secret_key_last_four": row.secret_key_last_four or None,
        "publishable_key": publishable_key,
        "webhook_url": f"{public_url}/webhooks/stripe/{own.token}" if own else None,
        "signing_secrets": len(own.secrets) if own else None,
        "missing_permissions": row.missing_permissions if own else None,
    }
