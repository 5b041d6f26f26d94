"""Tells the story as it happens: what is done, what was seen, how long it took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class NotAsTold(Exception):
    """Something that had to be true was not."""


class Narrator:
    """Numbers the steps and times them; the first that goes wrong ends the story."""

    def __init__(self) -> None:
        self.steps = 0
        self.started = time.monotonic()
        self._colour = sys.stdout.isatty()

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        print(f"\n{self._paint(title, '1')}", flush=True)
        yield

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """One step; what the block appends is told as seen."""
        self.steps += 1
        seen: list[str] = []
        started = time.monotonic()
        try:
            yield seen
        except Exception:
            print(f"  {self._paint('✗', '31')} {what}", flush=True)
            raise
        took = f"{time.monotonic() - started:6.2f} s"
        print(f"  {self._paint('✓', '32')} {what:<58}{self._paint(took, '2')}", flush=True)
        for line in seen:
            print(f"      {self._paint(line, '2')}", flush=True)

    def end(self) -> None:
        took = time.monotonic() - self.started
        print(f"\nAll {self.steps} steps were right, in {took:.1f} s.", flush=True)

    def _paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


def expect(what: str, seen: object, wanted: object) -> None:
    """Raise NotAsTold unless they are equal."""
    if seen != wanted:
        raise NotAsTold(f"{what}: expected {wanted!r}, saw {seen!r}")


def until(what: str, look: Callable[[], T | None], *, within: float) -> T:
    """Look again and again until there is something; raise NotAsTold after ``within`` seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise NotAsTold(f"{what}: not seen within {within:.0f} s")
