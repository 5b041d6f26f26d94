"""The Stripe account that a secret key opens."""

from stripe import StripeClient

from billing.stripe import reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, text
from billing.stripe.snapshots import AccountSnapshot


def current(client: StripeClient) -> AccountSnapshot:
    """The account that the client's key opens. Raises StripeCredentialsRefused for an invalid
    key."""
    with translate():
        return _snapshot(reads.get(client, "/v1/account"))


def _snapshot(fields: Fields) -> AccountSnapshot:
    profile = fields.get("business_profile") or {}
    dashboard = (fields.get("settings") or {}).get("dashboard") or {}
    return AccountSnapshot(
        stripe_id=fields["id"],
        name=text(profile.get("name") or dashboard.get("display_name")),
        country=text(fields.get("country")),
        charges_enabled=bool(fields.get("charges_enabled")),
    )
