"""Quota windows begin in paid time only, and the last one lasts until more is paid."""

from datetime import UTC, datetime, timedelta

import pytest

from usage.periods import Period, Unit, Window

ANCHOR = datetime(2026, 1, 31, 10, 37, tzinfo=UTC)
MONTHLY = Period(Unit.MONTH, ANCHOR)
HOUR, INSTANT = timedelta(hours=1), timedelta(microseconds=1)
LATER = datetime(2028, 6, 1, tzinfo=UTC)


def moment(month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_a_window_goes_on_when_the_paid_time_is_over() -> None:
    until = moment(3, 31, 10, 37)
    assert MONTHLY.paid_window(until) == Window(moment(2, 28), moment(3, 31))
    assert MONTHLY.extend_unpaid(until, at=moment(3, 31) - INSTANT) == MONTHLY
    extended = MONTHLY.extend_unpaid(until, at=moment(3, 31))
    assert extended.extended_from == moment(2, 28)
    assert extended.window(moment(3, 31)) == Window(moment(2, 28), moment(4, 30))
    assert extended.window(moment(5, 2)) == Window(moment(2, 28), moment(5, 31))
    assert extended.resets_at(moment(3, 31)) is None
    assert MONTHLY.resets_at(moment(3, 30)) == moment(3, 31)


def test_a_window_that_began_in_paid_time_ends_by_the_clock() -> None:
    """The quota's day is another one than the billing day."""
    assert MONTHLY.extend_unpaid(moment(4, 20), at=moment(4, 29)) == MONTHLY
    assert MONTHLY.extend_unpaid(moment(4, 20), at=moment(4, 30)).extended_from == moment(3, 31)


def test_the_window_in_which_a_subscription_began_is_the_first() -> None:
    for minute in (0, 37):
        began = ANCHOR.replace(minute=minute)
        period = Period(Unit.MONTH, began).extend_unpaid(began + HOUR, at=moment(4, 1))
        assert period.extended_from == moment(1, 31)


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("anchor", [None, ANCHOR])
def test_a_period_is_read_from_its_text(unit: Unit, anchor: datetime | None) -> None:
    regular = Period(unit, anchor)
    for period in (regular, regular.extend_unpaid(moment(3, 1), at=LATER)):
        again = Period.from_text(period.text)
        assert again.key == period.key
        assert again.window(LATER) == period.window(LATER)
    assert len(period.text) <= 40
    assert (period == regular) is (unit is Unit.LIFETIME)
    assert period.regular_key == regular.key


def test_a_counter_can_be_ahead_within_its_extended_window_only() -> None:
    extended = MONTHLY.extend_unpaid(moment(3, 31), at=moment(4, 1))
    at, ends_at = moment(4, 1), moment(4, 30)
    assert extended.is_window(Window(moment(2, 28), ends_at), at=at)
    assert not extended.is_window(Window(moment(1, 31), ends_at), at=at)
    assert not extended.is_window(Window(moment(2, 28), ends_at), at=ends_at)
    assert MONTHLY.is_window(Window(moment(4, 30), moment(5, 31)), at=at)
