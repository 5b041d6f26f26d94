"""`make test-fast` deselects slow tests, and every path that it names exists."""

import pytest

from tests import fast_selection


def test_every_excluded_path_exists() -> None:
    assert [each for each in fast_selection.LEFT_OUT if not each.exists()] == []


@pytest.mark.parametrize(
    ("name", "fixtures", "is_committing"),
    [
        ("chaos/test_histories.py", [], False),
        ("sandbox/test_process.py", [], False),
        ("billing/services/test_sync.py", ["db", "stripe"], False),
        ("projects/test_keys.py", ["transactional_db"], True),
        ("projects/test_keys.py", [], True),
    ],
)
def test_slow_tests_are_excluded(name: str, fixtures: list[str], is_committing: bool) -> None:
    assert fast_selection.takes_long(fast_selection.ROOT / name, fixtures, is_committing)


def test_fast_tests_are_selected() -> None:
    path = fast_selection.ROOT / "projects" / "test_keys.py"
    assert not fast_selection.takes_long(path, ["db", "project"], is_committing=False)
