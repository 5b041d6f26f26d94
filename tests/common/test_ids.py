"""Public ids sort by creation and are well formed."""

from concurrent.futures import ThreadPoolExecutor

from common.ids import is_id, new_id


def test_ids_of_one_process_sort_exactly_by_creation():
    ids = [new_id("evt") for _ in range(5000)]
    assert ids == sorted(ids)


def test_ids_are_unique_across_threads():
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda _: new_id("evt"), range(5000)))
    assert len(set(ids)) == 5000
    assert all(is_id(each, "evt") for each in ids)


def test_shape_of_an_id():
    good = new_id("evt")
    assert is_id(good, "evt")
    bad = [good[:-1], good + "0", good.upper(), "sub" + good[3:], good[:-1] + "u", "", None, 7]
    assert not any(is_id(each, "evt") for each in bad)
