"""What a subscription brings in a month: exact, rounded once, halves up."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.analytics.monthly_amounts import (
    RecurringDiscount,
    RecurringItem,
    monthly_amount,
    round_half_up,
)
from billing.models.price import BILLINGS_PER_MONTH, Interval, Price, PriceType

MONTHLY, YEARLY = Fraction(1), Fraction(1, 12)


def item(amount: int, billings: Fraction = MONTHLY, product: str = "prod_a") -> RecurringItem:
    return RecurringItem(product, amount, billings)


@pytest.mark.parametrize(
    ("interval", "count", "amount", "expected"),
    [
        ("month", 1, 1000, 1000),
        ("month", 3, 1000, 333),
        ("month", 6, 999, 167),  # 166.5
        ("year", 1, 12_000, 1000),
        ("year", 1, 10_000, 833),
        ("year", 3, 36_000, 1000),
        ("week", 1, 1000, 4333),
        ("week", 2, 1000, 2167),
        ("day", 1, 100, 3042),
        ("day", 30, 1000, 1014),
    ],
)
def test_every_interval_is_converted_to_a_month(
    interval: str, count: int, amount: int, expected: int
) -> None:
    price = Price(
        type=PriceType.RECURRING, interval=interval, interval_count=count, unit_amount=amount
    )
    assert monthly_amount([item(amount, price.billings_per_month)]) == expected


def test_a_one_time_price_recurs_never() -> None:
    assert Price(type=PriceType.ONE_TIME, unit_amount=100).billings_per_month == 0


def test_a_sum_is_rounded_once() -> None:
    assert monthly_amount([item(5, YEARLY), item(5, YEARLY)]) == 1
    assert [monthly_amount([item(5, YEARLY)])] * 2 == [0, 0]


@pytest.mark.parametrize(
    ("discounts", "expected"),
    [
        ([], 3000),
        ([RecurringDiscount(fraction_off=Fraction(1, 4))], 2250),
        ([RecurringDiscount(amount_off=500)], 2500),
        ([RecurringDiscount(amount_off=5000)], 0),
        ([RecurringDiscount(fraction_off=Fraction(1, 2), product_stripe_ids=["prod_b"])], 2000),
        ([RecurringDiscount(amount_off=1500, product_stripe_ids=["prod_a"])], 2000),
        ([RecurringDiscount(amount_off=500, product_stripe_ids=["prod_c"])], 3000),
        ([RecurringDiscount(fraction_off=Fraction(1, 2)), RecurringDiscount(amount_off=500)], 1000),
        ([RecurringDiscount(amount_off=500), RecurringDiscount(fraction_off=Fraction(1, 2))], 1250),
        ([RecurringDiscount(fraction_off=Fraction(1))] * 2, 0),
    ],
)
def test_discounts_apply_in_their_order(discounts: list[RecurringDiscount], expected: int) -> None:
    items = [item(1000), item(2000, product="prod_b")]
    assert monthly_amount(items, discounts) == expected


def test_an_amount_off_a_yearly_bill_counts_a_twelfth() -> None:
    assert monthly_amount([item(12_000, YEARLY)], [RecurringDiscount(amount_off=1200)]) == 900


def test_an_amount_off_counts_as_often_as_the_shortest_interval() -> None:
    items = [item(12_000, YEARLY), item(1000)]
    assert monthly_amount(items, [RecurringDiscount(amount_off=600)]) == 1400


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(Fraction(1, 2), 1), (Fraction(3, 2), 2), (Fraction(49, 100), 0), (Fraction(5), 5)],
)
def test_halves_go_up(amount: Fraction, expected: int) -> None:
    assert round_half_up(amount) == expected


ITEMS = st.lists(
    st.builds(
        RecurringItem,
        st.sampled_from(["prod_a", "prod_b"]),
        st.integers(0, 10**12),
        st.sampled_from([BILLINGS_PER_MONTH[interval] for interval in Interval]),
    ),
    max_size=5,
)
DISCOUNTS = st.lists(
    st.builds(
        RecurringDiscount,
        fraction_off=st.integers(0, 10_000).map(lambda basis: Fraction(basis, 10_000)),
        amount_off=st.integers(0, 10**12),
        product_stripe_ids=st.sampled_from([(), ("prod_a",), ("prod_b",)]),
    ),
    max_size=4,
)


@given(ITEMS, DISCOUNTS)
def test_discounts_never_raise_an_amount_nor_make_it_negative(
    items: list[RecurringItem], discounts: list[RecurringDiscount]
) -> None:
    amounts = [monthly_amount(items, discounts[:number]) for number in range(len(discounts) + 1)]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[-1] >= 0


@given(ITEMS)
def test_the_error_of_rounding_is_at_most_a_half(items: list[RecurringItem]) -> None:
    exact = sum((each.amount * each.billings_per_month for each in items), Fraction())
    assert abs(monthly_amount(items) - exact) <= Fraction(1, 2)
