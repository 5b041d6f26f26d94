"""Which lines of a purchase a refund is for, and how much of each, before anybody is asked.

A line is given back in whole, by some of its units, or by an amount. What it cost, with its share
of discounts and taxes, less what refunds of it have given back already, is the limit.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.access.selectors import line_receipts
from billing.errors import NothingToRefund
from billing.models import CheckoutLine, Payment, Refund
from billing.models.sync_object import ObjectKind
from billing.stripe import refund_lines
from billing.stripe.snapshots import REFUND_GONE, RefundLineSnapshot
from billing.sync import service as sync
from common.currencies import step
from common.errors import Invalid

MAX_PAIRS = 49
"""Pairs of metadata that the tenant and the lines may take together; one names our row."""


@dataclass(frozen=True, slots=True)
class LineRefundRequest:
    """A line by our id: ``quantity`` units of it, ``amount`` minor units, or all that is left."""

    line: str
    quantity: int | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class RefundableLine:
    """A line of a payment's page: what it cost, and what refunds have given back of it."""

    line: CheckoutLine
    cost: int
    refunded: int
    units: int

    @property
    def left(self) -> int:
        return max(self.cost - self.refunded, 0)


def offers(payment: Payment) -> list[RefundableLine]:
    """The lines of the page that the payment was made on; none for one without a page.

    Refunds that Stripe has yet to answer for count. Three queries.
    """
    page = payment.checkout
    if page is None:
        return []
    lines = list(page.lines.select_related("price__product"))
    costs = line_receipts.payments_by_line(page, lines=lines, payment=payment)
    amounts, units = _given_back(payment)
    return [
        RefundableLine(line, costs[line.pk], refunded=amounts[line.pk], units=units[line.pk])
        for line in lines
    ]


def read_costs(payment: Payment, at: datetime) -> None:
    """Have Stripe say what the lines cost if it has not yet. Raises StripeUnavailable."""
    page = payment.checkout
    if page is None or page.line_totals or not page.stripe_id:
        return
    sync.now(
        account=page.account, kind=ObjectKind.CHECKOUT_SESSION, stripe_id=page.stripe_id, at=at
    )
    page.refresh_from_db()


def settle(payment: Payment, wanted: Sequence[LineRefundRequest]) -> list[dict[str, Any]]:
    """What a refund of these lines gives back of each, as our row keeps it.

    Raises Invalid for a line that is not of this payment or is named twice, NothingToRefund for
    more than is left of one.
    """
    known = {each.line.pk: each for each in offers(payment)}
    named = Counter(each.line for each in wanted)
    found = []
    for number, each in enumerate(wanted):
        if each.line not in known:
            raise Invalid("No line of this payment.", field=f"lines/{number}/line")
        if named[each.line] > 1:
            raise Invalid("A line can be named once.", field=f"lines/{number}/line")
        found.append(_settled(payment, known[each.line], each, field=f"lines/{number}"))
    return found


def metadata(lines: Sequence[Mapping[str, Any]], besides: Mapping[str, str]) -> dict[str, str]:
    """The refund's metadata at Stripe, with its lines. Raises Invalid for more than there is room
    for."""
    written = refund_lines.write([RefundLineSnapshot(**each) for each in lines])
    if len(written) + len(besides) > MAX_PAIRS:
        raise Invalid(f"At most {MAX_PAIRS - len(written)} keys.", field="metadata")
    return {**besides, **written}


def _given_back(payment: Payment) -> tuple[Counter[str], Counter[str]]:
    """Amounts and units by line, of refunds that were not refused."""
    amounts: Counter[str] = Counter()
    units: Counter[str] = Counter()
    rows = Refund.objects.for_project(payment.project_id).filter(payment=payment)
    for lines in rows.exclude(status__in=REFUND_GONE).values_list("lines", flat=True):
        for each in lines:
            amounts[each["line"]] += each["amount"]
            units[each["line"]] += each["quantity"] or 0
    return amounts, units


def _settled(
    payment: Payment, offer: RefundableLine, wanted: LineRefundRequest, *, field: str
) -> dict[str, Any]:
    amount, quantity = _amount(payment, offer, wanted, field=field)
    if not 0 < amount <= offer.left:
        raise NothingToRefund(
            "Ask for no more than what is left of the line.",
            line=offer.line.pk,
            refundable={"amount": offer.left, "currency": payment.currency},
        )
    return {"line": offer.line.pk, "amount": amount, "quantity": quantity}


def _amount(
    payment: Payment, offer: RefundableLine, wanted: LineRefundRequest, *, field: str
) -> tuple[int, int | None]:
    """Minor units and how many units of the line they are, where that is known."""
    multiple, left = step(payment.currency), offer.line.quantity - offer.units
    if wanted.amount is not None:
        if wanted.amount % multiple:
            raise Invalid(f"A multiple of {multiple} minor units.", field=f"{field}/amount")
        return wanted.amount, None
    if wanted.quantity is None or wanted.quantity == left:
        return offer.left, max(left, 0) or None
    if wanted.quantity > left:
        return 0, None
    share = offer.cost * wanted.quantity // offer.line.quantity
    return min(share - share % multiple, offer.left), wanted.quantity
