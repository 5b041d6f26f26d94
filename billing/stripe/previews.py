"""Previews of invoices: Stripe calculates them and creates nothing."""

from dataclasses import dataclass
from datetime import datetime

from stripe import StripeClient
from stripe.params import InvoiceCreatePreviewParams

from billing.stripe.errors import StripeObjectMissing, translate
from billing.stripe.fields import Fields, instant, plain, reference, text
from billing.stripe.snapshots.base import Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine(Checked):
    """``amount`` in minor units, before discounts and taxes."""

    description: str
    price_stripe_id: str | None
    quantity: int | None
    amount: int
    is_proration: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSnapshot(Checked):
    """Content of the previewed invoice, when it would be created, and its effect on the balance.

    Amounts in minor units; a negative balance is a credit of the customer.
    """

    made_at: datetime
    amount_due: int
    balance_before: int
    balance_after: int
    lines: tuple[PreviewLine, ...]


def preview(client: StripeClient, params: InvoiceCreatePreviewParams) -> PreviewSnapshot | None:
    """Preview the next invoice; None when there would be none."""
    try:
        with translate():
            return _snapshot(plain(client.v1.invoices.create_preview(params)))
    except StripeObjectMissing:
        return None


def _snapshot(fields: Fields) -> PreviewSnapshot:
    balance, total = fields["starting_balance"], fields["total"]
    return PreviewSnapshot(
        made_at=instant(fields["created"]),
        amount_due=fields["amount_due"],
        balance_before=balance,
        balance_after=min(balance + total, 0),
        lines=tuple(_line(line) for line in fields["lines"]["data"]),
    )


def _line(fields: Fields) -> PreviewLine:
    parent = fields.get("parent") or {}
    details = (parent.get(name) or {} for name in parent if name != "type")
    price = (fields.get("pricing") or {}).get("price_details") or {}
    return PreviewLine(
        description=text(fields.get("description")),
        price_stripe_id=reference(price.get("price")),
        quantity=fields.get("quantity"),
        amount=fields["amount"],
        is_proration=any(each.get("proration") for each in details),
        period_start=instant(fields["period"]["start"]),
        period_end=instant(fields["period"]["end"]),
    )
