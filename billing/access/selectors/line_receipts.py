"""What became of the money of payments, and of single lines of a purchase where refunds name lines.

A payment of which no refund has named a line counts as a whole: that costs no query.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from billing.access import line_shares
from billing.access.line_shares import GivenBack
from billing.access.policies import Receipts
from billing.models import Checkout, CheckoutLine, Payment
from common.currencies import step

Also = Mapping[str, GivenBack] | None
"""Money, by payment, that is to be seen as refunded too."""
Pages = Mapping[str, Sequence[CheckoutLine]]
"""Lines by their page, each with its price and its page."""


def of_payment(payment: Payment, also: Also = None) -> Receipts:
    """The payment comes with its disputes."""
    disputes = list(payment.disputes.all())
    more = also[payment.pk].amount if also and payment.pk in also else 0
    return Receipts(
        received=payment.amount_received,
        refunded=payment.amount_refunded + more,
        lost=sum(each.amount for each in disputes if each.is_lost),
        contested_since=min((each.since for each in disputes if each.is_open), default=None),
    )


def merged(found: Collection[Receipts]) -> Receipts:
    """Several payments of one thing count together."""
    contested = [each.contested_since for each in found if each.contested_since is not None]
    return Receipts(
        received=sum(each.received for each in found),
        refunded=sum(each.refunded for each in found),
        lost=sum(each.lost for each in found),
        contested_since=min(contested, default=None),
    )


def of_page(
    page: Checkout,
    *,
    lines: Sequence[CheckoutLine],
    payments: Collection[Payment],
    also: Also = None,
) -> dict[str, Receipts]:
    """By line of the page, from all its payments. The lines come with their prices."""
    whole = merged([of_payment(each, also) for each in payments])
    given = _named_in(payments, also)
    if not given:
        return {line.pk: whole for line in lines}
    paid: Counter[str] = Counter()
    for payment in payments:
        paid.update(costs(page, lines=lines, payment=payment))
    in_all = sum(min(given[line.pk], paid[line.pk]) for line in lines)
    return {
        line.pk: line_shares.of_part(
            whole, cost=paid[line.pk], named=given[line.pk], named_in_all=in_all
        )
        for line in lines
    }


def pages_of(*, project_id: str, payments: Iterable[Payment], also: Also = None) -> Pages:
    """The pages of those payments of which refunds have named lines. One query, or none."""
    wanted = {each.checkout_id for each in payments if named(each, also)} - {None}
    if not wanted:
        return {}
    rows = CheckoutLine.objects.for_project(project_id).filter(checkout__in=wanted)
    found: dict[str, list[CheckoutLine]] = {}
    for row in rows.select_related("checkout", "price").order_by("id"):
        found.setdefault(row.checkout_id, []).append(row)
    return found


def of_subscription(payment: Payment, *, pages: Pages, also: Also = None) -> Receipts:
    """What of this payment is for a subscription: all of it, or, where refunds have named lines of
    the page that began it, the recurring lines."""
    whole, lines = of_payment(payment, also), pages.get(payment.checkout_id or "")
    if not lines:
        return whole
    given, paid = named(payment, also), costs(lines[0].checkout, lines=lines, payment=payment)
    known = {line.pk: min(given[line.pk], paid[line.pk]) for line in lines}
    recurring = [line.pk for line in lines if line.price.is_recurring]
    return line_shares.of_part(
        whole,
        cost=sum(paid[key] for key in recurring),
        named=sum(known[key] for key in recurring),
        named_in_all=sum(known.values()),
    )


def named(payment: Payment, also: Also = None) -> Counter[str]:
    """What refunds gave back of single lines, in minor units, by line."""
    found = Counter(payment.refunded_lines)
    if also and payment.pk in also:
        found.update(also[payment.pk].lines)
    return found


def costs(page: Checkout, *, lines: Iterable[CheckoutLine], payment: Payment) -> dict[str, int]:
    """What the payment paid for each line of its page, in minor units, by line.

    Discounts and taxes are divided as Stripe divided them. What the payment did not pay, as what
    came from the customer's balance, is taken off all lines alike.
    """
    weights = totals(page, lines)
    return line_shares.divide(payment.amount_received, weights, step=step(payment.currency))


def totals(page: Checkout, lines: Iterable[CheckoutLine]) -> dict[str, int]:
    """What each line came to on its page, with discounts and taxes, by line; 0 for one that Stripe
    has not told of. The lines come with their prices."""
    told, found = list(page.line_totals), {}
    for line in lines:
        here = next((each for each in told if each["price"] == line.price.stripe_id), None)
        if here is not None:
            told.remove(here)
        found[line.pk] = int(here["total"]) if here is not None else 0
    return found


def _named_in(payments: Iterable[Payment], also: Also) -> Counter[str]:
    found: Counter[str] = Counter()
    for payment in payments:
        found.update(named(payment, also))
    return found
