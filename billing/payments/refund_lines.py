"""Resolve which lines of a purchase a refund names, and the amount of each.

A request names a line and all that is left of it, some of its units, or an amount. The limit is
the line's cost, with its share of discounts and taxes, minus its earlier refunds.
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
from common.prepared_queries import Parameter, PreparedQuery

MAX_PAIRS = 49
"""Stripe allows 50 metadata keys. The tenant and the lines share 49; one names our row."""

_LINES = PreparedQuery(
    lambda: CheckoutLine.objects.for_project(Parameter("project_id")).filter(
        checkout_id=Parameter("checkout_id")
    ),
    related=["price", "price__product"],
)
_REFUNDS = PreparedQuery(
    lambda: (
        Refund.objects.for_project(Parameter("project_id"))
        .filter(payment_id=Parameter("payment_id"))
        .exclude(status__in=REFUND_GONE)
    )
)


@dataclass(frozen=True, slots=True)
class LineRefundRequest:
    """A line id of ours, and ``quantity`` units, ``amount`` minor units or all that is left."""

    line: str
    quantity: int | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class RefundableLine:
    """A line of a payment's page: its cost, and its refunded minor units and units."""

    line: CheckoutLine
    cost: int
    refunded: int
    units: int

    @property
    def amount_left(self) -> int:
        """Minor units that can still be refunded."""
        return max(self.cost - self.refunded, 0)


def list_refundable(payment: Payment) -> list[RefundableLine]:
    """Return the lines of the payment's page; none without a page.

    Refunds that Stripe has not answered yet count as refunded. Three queries.
    """
    page = payment.checkout
    if page is None:
        return []
    lines = _LINES.rows(project_id=page.project_id, checkout_id=page.pk)
    costs = line_receipts.payments_by_line(page, lines=lines, payment=payment)
    amounts, units = _sum_refunded(payment)
    return [
        RefundableLine(line, costs[line.pk], refunded=amounts[line.pk], units=units[line.pk])
        for line in lines
    ]


def read_line_costs(payment: Payment, at: datetime) -> None:
    """Read the page from Stripe if its line totals are not stored. Raises StripeUnavailable."""
    page = payment.checkout
    if page is None or page.line_totals or not page.stripe_id:
        return
    sync.now(
        account=page.account, kind=ObjectKind.CHECKOUT_SESSION, stripe_id=page.stripe_id, at=at
    )
    page.refresh_from_db()


def resolve_requests(
    payment: Payment, line_requests: Sequence[LineRefundRequest]
) -> list[dict[str, Any]]:
    """Return id, minor units and units of each requested line, as ``Refund.lines`` stores them.

    Raises Invalid for a line that is not of this payment or is named twice, NothingToRefund for
    more than is left of a line.
    """
    refundable_by_id = {refundable.line.pk: refundable for refundable in list_refundable(payment)}
    counts = Counter(line_request.line for line_request in line_requests)
    resolved_lines = []
    for index, line_request in enumerate(line_requests):
        if line_request.line not in refundable_by_id:
            raise Invalid("No line of this payment has this id.", field=f"lines/{index}/line")
        if counts[line_request.line] > 1:
            raise Invalid("Name each line only once.", field=f"lines/{index}/line")
        refundable_line = refundable_by_id[line_request.line]
        resolved_lines.append(
            _resolve_request(payment, refundable_line, line_request, field=f"lines/{index}")
        )
    return resolved_lines


def add_to_metadata(
    metadata: Mapping[str, str], lines: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return the refund's metadata at Stripe: the tenant's keys, and the keys that hold the lines.

    Raises Invalid for more keys than Stripe takes.
    """
    line_pairs = refund_lines.write([RefundLineSnapshot(**line) for line in lines])
    if len(line_pairs) + len(metadata) > MAX_PAIRS:
        raise Invalid(f"Send at most {MAX_PAIRS - len(line_pairs)} keys.", field="metadata")
    return {**metadata, **line_pairs}


def _sum_refunded(payment: Payment) -> tuple[Counter[str], Counter[str]]:
    """Sum refunded minor units and units by line id, of refunds that were not refused."""
    amounts: Counter[str] = Counter()
    units: Counter[str] = Counter()
    for refund in _REFUNDS.rows(project_id=payment.project_id, payment_id=payment.pk):
        for line in refund.lines:
            amounts[line["line"]] += line["amount"]
            units[line["line"]] += line["quantity"] or 0
    return amounts, units


def _resolve_request(
    payment: Payment,
    refundable_line: RefundableLine,
    line_request: LineRefundRequest,
    *,
    field: str,
) -> dict[str, Any]:
    amount, quantity = _resolve_amount(payment, refundable_line, line_request, field=field)
    if not 0 < amount <= refundable_line.amount_left:
        raise NothingToRefund(
            "Refund no more than what is left of the line.",
            line=refundable_line.line.pk,
            refundable={"amount": refundable_line.amount_left, "currency": payment.currency},
        )
    return {"line": refundable_line.line.pk, "amount": amount, "quantity": quantity}


def _resolve_amount(
    payment: Payment,
    refundable_line: RefundableLine,
    line_request: LineRefundRequest,
    *,
    field: str,
) -> tuple[int, int | None]:
    """Return the minor units, and the number of units unless an amount was requested."""
    multiple, left = step(payment.currency), refundable_line.line.quantity - refundable_line.units
    if line_request.amount is not None:
        if line_request.amount % multiple:
            raise Invalid(f"Send a multiple of {multiple} minor units.", field=f"{field}/amount")
        return line_request.amount, None
    if line_request.quantity is None or line_request.quantity == left:
        return refundable_line.amount_left, max(left, 0) or None
    if line_request.quantity > left:
        return 0, None
    share = refundable_line.cost * line_request.quantity // refundable_line.line.quantity
    return min(share - share % multiple, refundable_line.amount_left), line_request.quantity
