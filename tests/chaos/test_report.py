"""The figures of `make chaos` count what they name."""

import json
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.figures import FILE, Arrival, Figures, compare

EXPECTED = [("cus_1", 1), ("cus_1", 2), ("cus_2", 1)]
ALL = [Arrival("cus_1", 1, "a"), Arrival("cus_2", 1, "c"), Arrival("cus_1", 2, "b")]


def figures(*arrivals: Arrival, may_repeat: bool = False) -> Figures:
    return compare(EXPECTED, arrivals, run="bus", size="4 kills", may_repeat=may_repeat)


def counts(row: Figures) -> tuple[int, int, int, int]:
    return row.lost, row.doubled, row.disordered, row.repeated


def test_what_arrives_once_and_in_order_meets_every_target() -> None:
    row = figures(*ALL)
    assert (row.events, counts(row), row.is_met) == (3, (0, 0, 0, 0), True)


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        (ALL[:2], (1, 0, 0, 0)),
        ([*ALL, Arrival("cus_1", 2, "other")], (0, 1, 0, 0)),
        ([*ALL, Arrival("cus_1", 3, "never recorded")], (0, 1, 0, 0)),
        ([ALL[2], *ALL[:2]], (0, 0, 1, 0)),
        ([*ALL, ALL[0]], (0, 0, 0, 1)),
    ],
)
def test_each_fault_is_counted_and_misses_its_target(
    arrivals: list[Arrival], expected: tuple[int, int, int, int]
) -> None:
    row = figures(*arrivals)
    assert (counts(row), row.is_met) == (expected, False)


def test_some_consumers_must_bear_repetitions() -> None:
    assert figures(*ALL, ALL[0], may_repeat=True).is_met


def test_a_missed_target_is_in_the_table_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "figures.jsonl"
    monkeypatch.setenv(FILE, str(file))
    figures(*ALL).publish()
    with pytest.raises(AssertionError, match="lost=1"):
        figures(*ALL[:2]).publish()
    assert [json.loads(line)["lost"] for line in file.read_text().splitlines()] == [0, 1]
    table = report.render(report.load(file)).splitlines()
    assert [line.split("|")[-2].strip() for line in table[2:4]] == ["ok", "MISSED"]
