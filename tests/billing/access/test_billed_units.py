"""Invoice lines are converted to the units and time that they paid for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random

from billing.access.billed_units import BilledLine, count_units, find_period_start

START = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)
END = START + 30 * DAY
WHOLE = BilledLine(
    product_id="prod_1",
    price_id="price_1",
    starts_at=START,
    ends_at=END,
    quantity=1,
    amount=1000,
    unit_amount=1000,
    interval="month",
    interval_count=1,
    is_proration=False,
    is_credit=False,
)


def debit(day: float, quantity: int = 1, price: str = "price_1") -> BilledLine:
    return replace(
        WHOLE, starts_at=START + day * DAY, quantity=quantity, is_proration=True, price_id=price
    )


def credit(day: float, quantity: int = 1, amount: int = -1) -> BilledLine:
    return replace(debit(day, quantity), is_credit=True, amount=amount)


def paid(*lines: BilledLine) -> Fraction:
    return count_units(lines, starts_at=START, ends_at=END)


def test_lines_add_up_to_a_quantity_over_time() -> None:
    trial, free = replace(WHOLE, amount=0), replace(WHOLE, unit_amount=0, amount=0, quantity=2)
    cut = replace(WHOLE, starts_at=START + 15 * DAY, amount=500)
    cases = [
        ([], Fraction()),
        ([WHOLE], Fraction(1)),
        ([replace(WHOLE, quantity=3, amount=3000)], Fraction(3)),
        ([trial], Fraction()),
        ([free], Fraction(2)),
        ([cut], Fraction(1, 2)),
        ([WHOLE, credit(10)], Fraction(1, 3)),
        ([WHOLE, credit(10, amount=0)], Fraction(1, 3)),
        ([WHOLE, credit(0)], Fraction()),
        ([debit(29.5)], Fraction(1, 60)),
        ([debit(0), credit(0), debit(0)], Fraction(1)),
        ([debit(0), credit(10), debit(20)], Fraction(2, 3)),
        ([WHOLE, credit(15), debit(15, 3)], Fraction(2)),
        ([WHOLE, credit(15), debit(15, price="price_2")], Fraction(1)),
        ([WHOLE, credit(15), credit(15)], Fraction(1, 2)),
        ([credit(15), debit(20)], Fraction(1, 3)),
    ]
    for number, (lines, expected) in enumerate(cases):
        assert paid(*lines) == expected, number
        assert paid(*reversed(lines)) == expected, number
    assert count_units([WHOLE], starts_at=END, ends_at=END) == 0


def test_a_whole_period_begins_as_its_line_or_its_interval_says() -> None:
    other = replace(WHOLE, ends_at=END + DAY)
    assert find_period_start([debit(3), WHOLE, other], ends_at=END) == START
    assert find_period_start([debit(3)], ends_at=END) == datetime(2026, 2, 2, 12, 30, tzinfo=UTC)
    assert find_period_start([other], ends_at=END) is None
    weekly = replace(debit(28), interval="week", interval_count=2)
    assert find_period_start([weekly], ends_at=END) == END - 14 * DAY
    assert find_period_start([replace(weekly, interval="day")], ends_at=END) == END - 2 * DAY
    yearly = replace(debit(3), interval="year")
    assert find_period_start([yearly], ends_at=END) == END.replace(year=2025)


def test_changes_never_pay_for_more_units_than_the_subscription_had() -> None:
    """The lines of a thousand histories come to the integral of the quantity, to the second."""
    for seed in range(1000):
        random = Random(seed)
        lines: list[BilledLine] = []
        quantity, since, expected = 0, 0, 0
        for second in sorted(random.randrange(30 * 86_400) for _ in range(random.randrange(12))):
            expected += quantity * (second - since)
            after = random.randrange(4)
            day = second / 86_400
            if quantity:
                lines.append(credit(day, quantity, amount=random.choice([0, -5])))
            if after:
                lines.append(debit(day, after))
            quantity, since = after, second
        expected += quantity * (30 * 86_400 - since)
        random.shuffle(lines)
        assert abs(paid(*lines) * 30 * 86_400 - expected) < Fraction(1, 1000), seed
