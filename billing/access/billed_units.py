"""How many units of a product were paid for one period, from the lines of paid invoices.

Pure. A line of an invoice bills or credits one price for a part of a period; the lines of one price
add up to a quantity over time. ``docs/credits.md`` has the rules.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledLine:
    """One line of an invoice that bills a price by quantity, for ``[starts_at, ends_at)``.

    ``amount`` and ``unit_amount`` are in minor units, before discounts. ``interval`` and
    ``interval_count`` are the length of a whole period of the price.
    """

    product_id: str
    price_id: str
    starts_at: datetime
    ends_at: datetime
    quantity: int
    amount: int
    unit_amount: int
    interval: str
    interval_count: int
    is_proration: bool
    is_credit: bool

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at

    @property
    def is_whole(self) -> bool:
        """Whether it bills a whole period, and not the part before the first billing day."""
        return not self.is_proration and self.amount >= self.unit_amount * self.quantity


def find_period_start(lines: Iterable[BilledLine], *, ends_at: datetime) -> datetime | None:
    """Start of the whole period that ends at ``ends_at``: that of a line that bills all of it, else
    one interval of the price earlier. None when no line ends then."""
    ending = [line for line in lines if line.ends_at == ends_at]
    whole = [line.starts_at for line in ending if line.is_whole]
    if whole:
        return min(whole)
    return min((_interval_before(line) for line in ending), default=None)


def count_units(lines: Sequence[BilledLine], *, starts_at: datetime, ends_at: datetime) -> Fraction:
    """Units of a product that these lines paid for in ``[starts_at, ends_at)``: 1 is one unit for
    the whole period; never negative. All lines are of this product and end at ``ends_at``."""
    by_price: dict[str, list[BilledLine]] = defaultdict(list)
    for line in lines:
        by_price[line.price_id].append(line)
    whole = ends_at - starts_at
    if whole <= timedelta():
        return Fraction()
    return sum((_units(of_price, ends_at, whole) for of_price in by_price.values()), Fraction())


def _units(lines: Iterable[BilledLine], ends_at: datetime, whole: timedelta) -> Fraction:
    """The quantity over time. A credit returns only units that were billed for the same moment, so
    the quantity is never negative."""
    changes: dict[datetime, Fraction] = defaultdict(Fraction)
    for line in lines:
        changes[line.starts_at] += _quantity(line, whole)
    total, quantity = Fraction(), Fraction()
    moments = sorted(changes)
    for moment, until in zip(moments, [*moments[1:], ends_at], strict=True):
        quantity = max(quantity + changes[moment], Fraction())
        total += quantity * _share(until - moment, whole)
    return total


def _quantity(line: BilledLine, whole: timedelta) -> Fraction:
    """The change of the quantity. The amount of a line without proration tells how much of the
    period it bills: nothing in a trial, a part where the period is cut short."""
    if line.is_credit:
        return Fraction(-line.quantity)
    if line.is_proration or line.unit_amount == 0:
        return Fraction(line.quantity)
    billed = Fraction(line.amount, line.unit_amount)
    if line.is_whole:
        return billed
    return min(billed * _share(whole, line.length), Fraction(line.quantity))


def _interval_before(line: BilledLine) -> datetime:
    """Start of a whole period of the line's price that ends together with the line."""
    if line.interval in DAYS:
        moment = line.ends_at - timedelta(days=DAYS[line.interval] * line.interval_count)
    else:
        moment = _months_before(line.ends_at, MONTHS[line.interval] * line.interval_count)
    return min(moment, line.starts_at)


def _months_before(moment: datetime, months: int) -> datetime:
    """The same day ``months`` earlier, or the last day of a month that has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _share(part: timedelta, whole: timedelta) -> Fraction:
    return Fraction(part // MICROSECOND, whole // MICROSECOND)
