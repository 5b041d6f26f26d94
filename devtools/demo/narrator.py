"""Print the demo's steps as they happen: what is done, what was seen, and how long it took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class DemoFailed(Exception):
    """A result of the demo is not the expected one."""


class Narrator:
    """Numbers and times the steps; the first failed step ends the demo."""

    def __init__(self) -> None:
        self.steps = 0
        self.started = time.monotonic()
        self._colour = sys.stdout.isatty()

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        print(f"\n{self._paint(title, '1')}", flush=True)
        yield

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """One step; lines that the block appends are printed below it."""
        self.steps += 1
        notes: list[str] = []
        started = time.monotonic()
        try:
            yield notes
        except Exception:
            print(f"  {self._paint('✗', '31')} {title}", flush=True)
            raise
        duration = f"{time.monotonic() - started:6.2f} s"
        print(f"  {self._paint('✓', '32')} {title:<58}{self._paint(duration, '2')}", flush=True)
        for line in notes:
            print(f"      {self._paint(line, '2')}", flush=True)

    def end(self) -> None:
        duration = time.monotonic() - self.started
        print(f"\nAll {self.steps} steps were right, in {duration:.1f} s.", flush=True)

    def _paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


def expect(name: str, actual: object, expected: object) -> None:
    """Raise DemoFailed unless the values are equal."""
    if actual != expected:
        raise DemoFailed(f"{name}: expected {expected!r}, saw {actual!r}")


def until(name: str, find: Callable[[], T | None], *, seconds: float) -> T:
    """Call ``find`` until it returns a true value; raise DemoFailed after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = find()
        if result:
            return result
        time.sleep(0.02)
    raise DemoFailed(f"{name}: not seen within {seconds:.0f} s")
