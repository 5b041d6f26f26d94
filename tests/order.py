"""The order in which tests run: long ones first, so that no worker is done long before the others.

xdist's worksteal cuts the list into one part for each worker, who begins at the front of it and
takes from the end of another's when done. Tests with a browser begin the first part: Chromium and
the whole product (``stack``) are started once, by one worker. The product's processes need CPU for
as long as they run, and end with the last test of that directory: those that need them come last
there. Tests of chaos and of servers begin the second part. All others stay in their order.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parent
BROWSER = ROOT / "browser"
LONG = (ROOT / "chaos", ROOT / "server")

T = TypeVar("T")


def long_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The same tests; of those with a browser, the ones that need ``stack`` last."""
    browser = [each for each in items if each.path.is_relative_to(BROWSER)]
    browser.sort(key=lambda item: "stack" in getattr(item, "fixturenames", ()))
    long = [each for each in items if any(each.path.is_relative_to(place) for place in LONG)]
    taken = {*browser, *long}
    rest = [each for each in items if each not in taken]
    return spread(browser, long, rest, parts=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def spread(first: Sequence[T], second: Sequence[T], rest: Sequence[T], *, parts: int) -> list[T]:
    """``first`` at the front of the first of so many equal parts, ``second`` of the second part,
    and ``rest`` in its order where there is room."""
    room = max(0, (len(first) + len(second) + len(rest)) // parts - len(first)) if parts > 1 else 0
    return [*first, *rest[:room], *second, *rest[room:]]
