"""Refunds at Stripe, read together with their payment."""

from stripe import StripeClient

from billing.stripe import pagination, refund_lines
from billing.stripe.fields import Fields, common, instant, text
from billing.stripe.snapshots import RefundSnapshot

URL = "/v1/refunds"


def snapshot(fields: Fields) -> RefundSnapshot:
    common_fields = common(fields)
    return RefundSnapshot(
        stripe_id=common_fields["stripe_id"],
        our_id=common_fields["our_id"],
        metadata=common_fields["metadata"],
        status=text(fields["status"]),
        currency=text(fields["currency"]),
        amount=fields["amount"],
        reason=text(fields.get("reason")),
        failure_reason=text(fields.get("failure_reason")),
        lines=refund_lines.read(fields["metadata"] or {}, amount=fields["amount"]),
        refunded_at=instant(fields["created"]),
    )


def of_payment(client: StripeClient, payment_stripe_id: str) -> list[Fields]:
    """All refunds of a payment, newest first."""
    return pagination.all_of(client, URL, {"payment_intent": payment_stripe_id})


def new(
    *, payment_stripe_id: str, amount: int | None, reason: str, metadata: dict[str, str]
) -> Fields:
    """Parameters that create a refund of ``amount`` minor units; None refunds the rest."""
    params: Fields = {"payment_intent": payment_stripe_id, "metadata": metadata}
    if amount is not None:
        params["amount"] = amount
    if reason:
        params["reason"] = reason
    return params
