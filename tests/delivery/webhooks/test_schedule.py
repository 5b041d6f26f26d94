"""When a delivery is tried again: the schedule, and what the receiver demands."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.webhooks import schedule

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@given(attempts=st.integers(1, 9))
def test_each_pause_is_within_a_tenth_of_the_schedule(attempts: int) -> None:
    due_at = schedule.next_attempt(attempts=attempts, first_at=NOW, at=NOW)
    assert due_at is not None
    seconds = (due_at - NOW).total_seconds()
    assert 0.9 <= seconds / schedule.DELAYS[attempts] <= 1.1


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    assert timedelta(seconds=sum(schedule.DELAYS)) == timedelta(hours=75, minutes=35, seconds=5)
    assert schedule.next_attempt(attempts=10, first_at=NOW, at=NOW) is None


def test_a_delivery_is_not_planned_longer_than_the_schedule_lasts() -> None:
    late = NOW + timedelta(hours=70)
    day = timedelta(hours=24)
    assert schedule.next_attempt(attempts=2, first_at=NOW, at=late, at_least=day) is None
    assert schedule.next_attempt(attempts=2, first_at=NOW, at=late) is not None


@pytest.mark.parametrize(
    ("value", "pause"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta()),
        (" 5 ", timedelta(seconds=5)),
        ("Sat, 21 Nov 2026 09:31:00 GMT", timedelta(minutes=1)),
        ("Sat, 21 Nov 2026 09:29:00 GMT", timedelta()),
        ("Sat, 21 Nov 2036 09:30:00 GMT", timedelta(hours=24)),
        ("315360000", timedelta(hours=24)),
        ("9" * 400, timedelta(hours=24)),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("٣", None),
        ("Sat, 99 Nov 2026 99:31:00 GMT", None),
        ("Sat, 21 Nov 99999999999999999999 09:30:00 GMT", None),
        ("Sat, 21 Nov 2026 09:30:00 +99999999999999", None),
    ],
)
def test_retry_after(value: str, pause: timedelta | None) -> None:
    assert schedule.parse_retry_after(value, at=NOW) == pause


WORDS = (
    *("Sat,", "21", "Nov", "2026", "09:30:00", "24:00:00", "GMT", "-0000", "-9999", "0001"),
    *("9" * 20, "+" + "9" * 14, "1e9", ":", '"', "(", ",", " "),
)
"""Of which dates are made, good and bad ones."""


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
@example("2015 Oct 99999999999999999999 24:00:00 +99999999999999")
def test_no_retry_after_is_an_error(value: str) -> None:
    pause = schedule.parse_retry_after(value, at=NOW)
    assert pause is None or timedelta() <= pause <= timedelta(hours=24)
