"""Early fraud warnings at Stripe: a card issuer suspects that a charge is fraud."""

from collections.abc import Iterator

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, instant, page, reference, text
from billing.stripe.snapshots import FraudWarningSnapshot, UnreadableObject

URL = "/v1/radar/early_fraud_warnings"
KIND = "radar.early_fraud_warning"
CHARGE = "charge"
"""Expanded, because it names the customer and, if the warning does not, the payment."""


def snapshot(fields: Fields) -> FraudWarningSnapshot:
    charge = fields[CHARGE] if isinstance(fields[CHARGE], dict) else {}
    intent = fields.get("payment_intent") or charge.get("payment_intent")
    return FraudWarningSnapshot(
        stripe_id=fields["id"],
        created_at=instant(fields["created"]),
        customer_stripe_id=reference(charge.get("customer")),
        payment_stripe_id=reference(intent),
        fraud_type=text(fields["fraud_type"]),
        actionable=fields["actionable"],
    )


def retrieve(client: StripeClient, stripe_id: str) -> FraudWarningSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        params = {"expand": [CHARGE]}
        return snapshot(reads.get_named(client, URL, KIND, stripe_id, params))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[FraudWarningSnapshot | UnreadableObject]:
    """All warnings of the account, newest first."""
    params = page(after, expand=[f"data.{CHARGE}"])
    return pagination.iterate(client, URL, params, snapshot)
