"""Receipts of payments, and of single lines of a purchase where refunds name lines.

A payment without a refund that names a line counts as a whole, which costs no query.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from billing.access import line_shares
from billing.access.line_shares import RefundedMoney
from billing.access.policies import Receipts
from billing.models import Checkout, CheckoutLine, Payment
from common.currencies import step
from common.prepared_relations import rows_of

ExtraRefunds = Mapping[str, RefundedMoney] | None
"""By payment id, money that is treated as refunded: for previews."""
LinesByPage = Mapping[str, Sequence[CheckoutLine]]
"""Lines by checkout id, loaded with price and checkout."""


def of_payment(payment: Payment, extra_refunds: ExtraRefunds = None) -> Receipts:
    """The receipts of one payment, which is loaded with its disputes."""
    disputes = rows_of(payment, "disputes")
    extra = extra_refunds[payment.pk].amount if extra_refunds and payment.pk in extra_refunds else 0
    return Receipts(
        received=payment.amount_received,
        refunded=payment.amount_refunded + extra,
        lost=sum(dispute.amount for dispute in disputes if dispute.is_lost),
        contested_since=min(
            (dispute.since for dispute in disputes if dispute.is_open), default=None
        ),
    )


def merge(receipts: Collection[Receipts]) -> Receipts:
    """The sum of receipts of several payments for one purchase."""
    contested = [
        receipt.contested_since for receipt in receipts if receipt.contested_since is not None
    ]
    return Receipts(
        received=sum(receipt.received for receipt in receipts),
        refunded=sum(receipt.refunded for receipt in receipts),
        lost=sum(receipt.lost for receipt in receipts),
        contested_since=min(contested, default=None),
    )


def of_page(
    page: Checkout,
    *,
    lines: Sequence[CheckoutLine],
    payments: Collection[Payment],
    extra_refunds: ExtraRefunds = None,
) -> dict[str, Receipts]:
    """Receipts by line of a checkout, from all its payments. The lines are loaded with prices."""
    whole = merge([of_payment(payment, extra_refunds) for payment in payments])
    refunds = _refunds_by_line_of_many(payments, extra_refunds)
    if not refunds:
        return {line.pk: whole for line in lines}
    payments_of_lines: Counter[str] = Counter()
    for payment in payments:
        payments_of_lines.update(payments_by_line(page, lines=lines, payment=payment))
    all_named = sum(min(refunds[line.pk], payments_of_lines[line.pk]) for line in lines)
    return {
        line.pk: line_shares.divide_receipts(
            whole,
            cost=payments_of_lines[line.pk],
            named_refunds=refunds[line.pk],
            all_named_refunds=all_named,
        )
        for line in lines
    }


def find_lines_of_named_pages(
    *, project_id: str, payments: Iterable[Payment], extra_refunds: ExtraRefunds = None
) -> LinesByPage:
    """Lines of the checkouts of payments with a refund that names a line. One query, or none."""
    checkout_ids = {
        payment.checkout_id for payment in payments if refunds_by_line(payment, extra_refunds)
    } - {None}
    if not checkout_ids:
        return {}
    rows = CheckoutLine.objects.for_project(project_id).filter(checkout__in=checkout_ids)
    lines: dict[str, list[CheckoutLine]] = {}
    for row in rows.select_related("checkout", "price").order_by("id"):
        lines.setdefault(row.checkout_id, []).append(row)
    return lines


def of_subscription(
    payment: Payment, *, pages: LinesByPage, extra_refunds: ExtraRefunds = None
) -> Receipts:
    """Receipts of a payment for a subscription: of the whole payment, or of the recurring lines if
    refunds name lines of the checkout that created the subscription."""
    whole, lines = of_payment(payment, extra_refunds), pages.get(payment.checkout_id or "")
    if not lines:
        return whole
    refunds, payments_of_lines = (
        refunds_by_line(payment, extra_refunds),
        payments_by_line(lines[0].checkout, lines=lines, payment=payment),
    )
    named = {line.pk: min(refunds[line.pk], payments_of_lines[line.pk]) for line in lines}
    recurring = [line.pk for line in lines if line.price.is_recurring]
    return line_shares.divide_receipts(
        whole,
        cost=sum(payments_of_lines[key] for key in recurring),
        named_refunds=sum(named[key] for key in recurring),
        all_named_refunds=sum(named.values()),
    )


def refunds_by_line(payment: Payment, extra_refunds: ExtraRefunds = None) -> Counter[str]:
    """Refunds that name lines, by line id, in minor units."""
    refunds = Counter(payment.refunded_lines)
    if extra_refunds and payment.pk in extra_refunds:
        refunds.update(extra_refunds[payment.pk].lines)
    return refunds


def payments_by_line(
    page: Checkout, *, lines: Iterable[CheckoutLine], payment: Payment
) -> dict[str, int]:
    """The payment's amount by line of its checkout, in minor units.

    Discounts and taxes are divided as Stripe divided them. An amount that the payment did not pay,
    for example from the customer's balance, reduces all lines in proportion.
    """
    weights = totals_by_line(page, lines)
    return line_shares.divide(payment.amount_received, weights, step=step(payment.currency))


def totals_by_line(page: Checkout, lines: Iterable[CheckoutLine]) -> dict[str, int]:
    """Totals by line, with discounts and taxes, in minor units; 0 for a line without a total from
    Stripe. The lines are loaded with prices."""
    unmatched, totals = list(page.line_totals), {}
    for line in lines:
        match = next((total for total in unmatched if total["price"] == line.price.stripe_id), None)
        if match is not None:
            unmatched.remove(match)
        totals[line.pk] = int(match["total"]) if match is not None else 0
    return totals


def _refunds_by_line_of_many(
    payments: Iterable[Payment], extra_refunds: ExtraRefunds
) -> Counter[str]:
    refunds: Counter[str] = Counter()
    for payment in payments:
        refunds.update(refunds_by_line(payment, extra_refunds))
    return refunds
