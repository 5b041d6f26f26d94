"""PaymentIntents at Stripe, each with its latest charge and that charge's refunds.

One request reads all three, so that a refunded payment always comes with its refunds. Disputes are
read if the charge has some.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from stripe import StripeClient

from billing.stripe import disputes, pagination, reads, refunds, workflow_ids
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, common, instant, moment, page, reference, text
from billing.stripe.snapshots import PaymentSnapshot, UnreadableObject

URL = "/v1/payment_intents"
EXPAND = "latest_charge.refunds"


def snapshot(
    fields: Fields, refund_fields: Sequence[Fields], dispute_fields: Sequence[Fields] = ()
) -> PaymentSnapshot:
    charge = fields["latest_charge"]
    charge = charge if isinstance(charge, dict) else {}
    failure = fields["last_payment_error"] or {}
    return PaymentSnapshot(
        **common(fields),
        customer_stripe_id=reference(fields["customer"]),
        status=text(fields["status"]),
        currency=text(fields["currency"]),
        amount=fields["amount"],
        amount_received=fields["amount_received"],
        failure_code=text(failure.get("decline_code") or failure.get("code")),
        failure_message=text(failure.get("message")),
        paid_at=instant(charge["created"]) if charge and charge["paid"] else None,
        refunds=tuple(refunds.snapshot(each) for each in refund_fields),
        disputes=tuple(disputes.snapshot(each) for each in dispute_fields),
        client_secret=text(fields.get("client_secret")),
        canceled_at=moment(fields["canceled_at"]),
        cancellation_reason=text(fields["cancellation_reason"]),
        payment_method_type=text((charge.get("payment_method_details") or {}).get("type")),
        workflow_id=workflow_ids.read(fields["metadata"] or {}),
    )


def to_confirm(
    *,
    amount: int,
    currency: str,
    customer_stripe_id: str,
    description: str,
    metadata: dict[str, str],
    save_payment_method: bool,
    workflow_id: str = "",
) -> Fields:
    """Parameters of a PaymentIntent that the buyer confirms, with any method that Stripe offers.

    ``amount`` in minor units; ``customer_stripe_id`` may be empty.
    """
    params: Fields = {
        "amount": amount,
        "currency": currency,
        "automatic_payment_methods": {"enabled": True},
        "metadata": {**metadata, **workflow_ids.write(workflow_id)},
    }
    if customer_stripe_id:
        params["customer"] = customer_stripe_id
    if description:
        params["description"] = description
    if save_payment_method:
        params["setup_future_usage"] = "off_session"
    return params


def to_charge(params: Fields, *, payment_method: str) -> Fields:
    """The parameters, changed so that a saved method is charged at once, without the buyer."""
    return {
        **params,
        "payment_method": payment_method,
        "confirm": True,
        "off_session": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }


def read_created(fields: Fields) -> PaymentSnapshot:
    """The snapshot of a PaymentIntent from the answer that created it. Raises StripeMalformed."""
    with translate():
        return snapshot(fields, [])


def retrieve(client: StripeClient, stripe_id: str) -> PaymentSnapshot:
    """Read the object from Stripe. Raises StripeObjectMissing."""
    with translate():
        params = {"expand": [EXPAND]}
        return _complete(client, reads.get_named(client, URL, "payment_intent", stripe_id, params))


def iterate(
    client: StripeClient, *, after: str | None = None
) -> Iterator[PaymentSnapshot | UnreadableObject]:
    """All PaymentIntents of the account, newest first."""
    params = page(after, expand=[f"data.{EXPAND}"])
    return pagination.iterate(client, URL, params, partial(_complete, client))


def _complete(client: StripeClient, fields: Fields) -> PaymentSnapshot:
    """The payment with all of its refunds and disputes; ten refunds come with the charge."""
    charge = fields["latest_charge"]
    if charge is None:
        return snapshot(fields, [])
    refund_fields = charge["refunds"]["data"]
    if charge["refunds"]["has_more"]:
        refund_fields = refunds.of_payment(client, fields["id"])
    dispute_fields = disputes.of_payment(client, fields["id"]) if charge["disputed"] else []
    return snapshot(fields, refund_fields, dispute_fields)
