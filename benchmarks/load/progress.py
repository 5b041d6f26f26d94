"""What a long run shows on the terminal: one line that is written over, or lines in a log."""

import sys
import time

WIDTH = 30
LOG_SECONDS = 30.0


class ProgressBar:
    """A bar on a terminal; elsewhere a line every half minute."""

    def __init__(self, name: str, total: float) -> None:
        self._name, self._total = name, total
        self._is_terminal = sys.stderr.isatty()
        self._told = 0.0

    def show(self, done: float, note: str = "") -> None:
        share = min(1.0, done / self._total) if self._total else 1.0
        now = time.monotonic()
        if not self._is_terminal and now - self._told < LOG_SECONDS and share < 1:
            return
        self._told = now
        bar = ("█" * round(share * WIDTH)).ljust(WIDTH, "·")
        text = f"{self._name} {bar} {share:4.0%} {note}"
        end = "" if self._is_terminal else "\n"
        sys.stderr.write(f"\r{text:<100}{end}" if self._is_terminal else f"{text}{end}")
        sys.stderr.flush()

    def close(self) -> None:
        if self._is_terminal:
            sys.stderr.write("\n")
