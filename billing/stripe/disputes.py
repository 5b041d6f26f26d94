"""Disputes at Stripe, read together with the disputed payment."""

from stripe import StripeClient

from billing.stripe import pagination
from billing.stripe.fields import Fields, instant, moment, text
from billing.stripe.snapshots import DisputeSnapshot

URL = "/v1/disputes"


def snapshot(fields: Fields) -> DisputeSnapshot:
    return DisputeSnapshot(
        stripe_id=fields["id"],
        status=text(fields["status"]),
        case_type=_case_type(fields),
        currency=text(fields["currency"]),
        amount=fields["amount"],
        reason=text(fields["reason"]),
        evidence_due_by=moment((fields.get("evidence_details") or {}).get("due_by")),
        opened_at=instant(fields["created"]),
    )


def _case_type(fields: Fields) -> str:
    """Stripe's type of a card dispute: ``chargeback``, ``inquiry``, ``block``, ``resolution``, …"""
    card = (fields.get("payment_method_details") or {}).get("card") or {}
    return text(card.get("case_type"))


def of_payment(client: StripeClient, payment_stripe_id: str) -> list[Fields]:
    """All disputes of a payment, newest first."""
    return pagination.all_of(client, URL, {"payment_intent": payment_stripe_id})
