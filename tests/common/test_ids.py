import time

import pytest

from common.ids import is_id, new_id


def test_ids_sort_by_time_of_creation() -> None:
    first = new_id("cus")
    time.sleep(0.002)
    assert first < new_id("cus")


def test_an_id_says_what_it_is() -> None:
    made = new_id("cus")

    assert is_id(made, "cus")
    assert not is_id(made, "sub")
    assert len(made) == 30


def test_a_million_to_come_do_not_collide() -> None:
    assert len({new_id("x") for _ in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    "value",
    ["", "cus_", "cus_short", "cus_" + "i" * 26, "CUS_" + "0" * 26, None, 7, "cus" + "0" * 27],
)
def test_anything_else_is_no_id(value: object) -> None:
    assert not is_id(value, "cus")
