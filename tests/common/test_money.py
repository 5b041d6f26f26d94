"""Money is an integer of one known currency, written with that currency's digits."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.currencies import EXPONENTS
from common.money import Money

AMOUNTS = st.integers(-(10**12), 10**12)


@pytest.mark.parametrize(
    ("money", "written"),
    [
        (Money(2900, "usd"), "29.00 USD"),
        (Money(5, "eur"), "0.05 EUR"),
        (Money(-5, "eur"), "-0.05 EUR"),
        (Money(2900, "jpy"), "2900 JPY"),
        (Money(2900, "kwd"), "2.900 KWD"),
        (Money(0, "usd"), "0.00 USD"),
    ],
)
def test_money_is_written_with_its_currencys_digits(money: Money, written: str) -> None:
    assert str(money) == written


@pytest.mark.parametrize("amount", [29.0, "2900", None, True])
def test_an_amount_is_an_integer(amount: Any) -> None:
    with pytest.raises(TypeError):
        Money(amount, "usd")


@pytest.mark.parametrize("currency", ["USD", "usdollar", "", "xxx"])
def test_a_currency_is_one_that_stripe_charges(currency: str) -> None:
    with pytest.raises(ValueError, match="Unknown currency"):
        Money(1, currency)


@given(AMOUNTS, AMOUNTS, st.sampled_from(sorted(EXPONENTS)))
def test_addition_and_subtraction_cancel_out(one: int, other: int, currency: str) -> None:
    money = Money(one, currency)

    assert money + Money(other, currency) - Money(other, currency) == money


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="cannot be combined"):
        Money(1, "usd") + Money(1, "eur")
    assert Money(1, "usd") != Money(1, "eur")


def test_a_quantity_multiplies_exactly() -> None:
    assert Money(333, "usd") * 3 == Money(999, "usd")
    with pytest.raises(TypeError):
        Money(333, "usd") * 0.5  # type: ignore[operator]  # what a caller must not do
