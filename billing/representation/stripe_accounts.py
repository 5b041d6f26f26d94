"""The Stripe account that a project sells through."""

from billing.models import StripeAccount, StripeEndpoint
from billing.representation.values import Json


def stripe_account(row: StripeAccount, *, endpoint: StripeEndpoint | None, public_url: str) -> Json:
    """Never its secrets. Of the platform's shared account only that it is shared."""
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
