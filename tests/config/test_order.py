"""Each worker begins with the long tests of its part of the list."""

from tests.order import spread


def test_each_of_two_workers_begins_with_long_tests() -> None:
    order = spread(["browser"], ["chaos", "server"], ["a", "b", "c", "d", "e"], parts=2)
    assert order == ["browser", "a", "b", "c", "chaos", "server", "d", "e"]


def test_a_single_worker_begins_with_all_long_tests() -> None:
    order = spread(["browser"], ["chaos"], ["a", "b"], parts=1)
    assert order == ["browser", "chaos", "a", "b"]


def test_more_long_tests_than_a_part_has_room_for_fill_the_next_part() -> None:
    order = spread(["browser", "phone", "portal"], ["chaos"], ["a"], parts=3)
    assert order == ["browser", "phone", "portal", "chaos", "a"]
