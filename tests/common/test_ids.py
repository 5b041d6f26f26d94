"""Public ids carry prefix and time, sort by time and do not collide."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from common import ids
from common.ids import first_id, is_id, new_id, time_of


def test_ids_sort_by_time_of_creation() -> None:
    first = new_id("cus")
    time.sleep(0.002)
    assert first < new_id("cus")


def test_an_id_starts_with_the_prefix_of_its_kind() -> None:
    new = new_id("cus")

    assert is_id(new, "cus")
    assert not is_id(new, "sub")
    assert len(new) == 30


def test_an_id_begins_with_its_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)  # an earlier test may have made ids in the future
    before = datetime.now(UTC)
    new = new_id("cus")
    millisecond = timedelta(milliseconds=1)

    assert before - millisecond < time_of(new) < datetime.now(UTC) + millisecond
    assert first_id("cus", time_of(new)) <= new < first_id("cus", time_of(new) + millisecond)


@pytest.mark.parametrize(
    "at",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    ],
)
def test_the_first_id_of_a_millisecond_has_that_time(at: datetime) -> None:
    first = first_id("evt", at)

    assert (is_id(first, "evt"), time_of(first)) == (True, at)


def test_a_million_ids_do_not_collide() -> None:
    assert len({new_id("x") for _ in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    "value",
    ["", "cus_", "cus_short", "cus_" + "i" * 26, "CUS_" + "0" * 26, None, 7, "cus" + "0" * 27],
)
def test_invalid_ids_are_rejected(value: object) -> None:
    assert not is_id(value, "cus")
