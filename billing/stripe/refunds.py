"""Refunds at Stripe: read with the payment that they give back."""

from stripe import StripeClient

from billing.stripe import refund_lines
from billing.stripe.fields import Fields, common, instant, plain, text
from billing.stripe.snapshots import RefundSnapshot

PAGE = 100


def snapshot(fields: Fields) -> RefundSnapshot:
    described = common(fields)
    return RefundSnapshot(
        stripe_id=described["stripe_id"],
        our_id=described["our_id"],
        metadata=described["metadata"],
        status=text(fields["status"]),
        currency=text(fields["currency"]),
        amount=fields["amount"],
        reason=text(fields.get("reason")),
        failure_reason=text(fields.get("failure_reason")),
        lines=refund_lines.read(fields["metadata"] or {}, amount=fields["amount"]),
        refunded_at=instant(fields["created"]),
    )


def of_payment(client: StripeClient, payment_stripe_id: str) -> list[Fields]:
    """Every one, newest first."""
    every = client.v1.refunds.list({"payment_intent": payment_stripe_id, "limit": PAGE})
    return [plain(each) for each in every.auto_paging_iter()]


def new(
    *, payment_stripe_id: str, amount: int | None, reason: str, metadata: dict[str, str]
) -> Fields:
    """The parameters of a refund of ``amount`` minor units; None for all that is left then."""
    params: Fields = {"payment_intent": payment_stripe_id, "metadata": metadata}
    if amount is not None:
        params["amount"] = amount
    if reason:
        params["reason"] = reason
    return params
