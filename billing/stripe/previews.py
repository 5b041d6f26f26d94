"""Invoices that Stripe works out and does not make."""

from dataclasses import dataclass
from datetime import datetime

from stripe import StripeClient
from stripe.params import InvoiceCreatePreviewParams

from billing.stripe import invoices
from billing.stripe.errors import StripeObjectMissing, translate
from billing.stripe.fields import instant, plain
from billing.stripe.snapshots import InvoiceSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSnapshot:
    """What an invoice would say, when it would be made, and the customer's balance after it.

    ``balance_after`` is in minor units; negative is a credit.
    """

    invoice: InvoiceSnapshot
    made_at: datetime
    balance_after: int


def preview(client: StripeClient, params: InvoiceCreatePreviewParams) -> PreviewSnapshot | None:
    """The invoice that would follow; None when there would be none."""
    try:
        with translate():
            fields = plain(client.v1.invoices.create_preview(params))
    except StripeObjectMissing:
        return None
    balance = (fields.get("starting_balance") or 0) + (fields.get("total") or 0)
    return PreviewSnapshot(
        invoice=invoices.snapshot(fields, (fields.get("lines") or {}).get("data") or [], [], []),
        made_at=instant(fields["created"]),
        balance_after=min(balance, 0),
    )
