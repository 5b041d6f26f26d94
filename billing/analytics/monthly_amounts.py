"""The monthly amount of a subscription: exact fractions, rounded once. Pure functions.

* An item brings ``unit_amount × quantity × billings per month``: a yearly price a twelfth, a weekly
  one 52/12, a daily one 365/12 of its amount. A metered price, and a price that is not in our
  catalog (tiers, fractions of a cent), bring 0: their bills are not known in advance.
* Discounts reduce it in Stripe's order. A percentage applies to what the earlier discounts have
  left of the items that it covers. An amount is taken off each bill, so it counts as often a month
  as the item that it covers and that is billed most often; it is spread over the covered items in
  proportion, and no item becomes negative.
* A discount for one bill (``once``) does not count, nor one that has ended.
* The sum is rounded to whole minor units, halves up, once per subscription.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class RecurringItem:
    """An item of a subscription: minor units per bill, and bills per month."""

    product_stripe_id: str
    amount: int
    billings_per_month: Fraction


@dataclass(frozen=True, slots=True)
class RecurringDiscount:
    """A discount that applies: a fraction of one, or minor units off each bill.

    ``product_stripe_ids`` limits it to these products; empty: all.
    """

    fraction_off: Fraction = Fraction()
    amount_off: int = 0
    product_stripe_ids: Collection[str] = ()

    def covers(self, item: RecurringItem) -> bool:
        return not self.product_stripe_ids or item.product_stripe_id in self.product_stripe_ids


def monthly_amount(
    items: Sequence[RecurringItem], discounts: Iterable[RecurringDiscount] = ()
) -> int:
    """The whole minor units that a subscription brings in a month, never negative."""
    amounts = [item.amount * item.billings_per_month for item in items]
    for discount in discounts:
        amounts = _apply(discount, items, amounts)
    return round_half_up(sum(amounts, Fraction()))


def round_half_up(amount: Fraction) -> int:
    """The nearest integer; a half goes up."""
    return int((2 * amount + 1) // 2)


def _apply(
    discount: RecurringDiscount, items: Sequence[RecurringItem], amounts: list[Fraction]
) -> list[Fraction]:
    """The items' amounts after the discount."""
    covered = [
        number for number, item in enumerate(items) if discount.covers(item) and amounts[number] > 0
    ]
    total = sum((amounts[number] for number in covered), Fraction())
    if not total:
        return amounts
    billings = max(items[number].billings_per_month for number in covered)
    taken = min(discount.amount_off * billings + total * discount.fraction_off, total)
    kept = 1 - taken / total
    return [amount * kept if number in covered else amount for number, amount in enumerate(amounts)]
