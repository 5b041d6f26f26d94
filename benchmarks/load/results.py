"""The tables of a run, for the terminal, ``var/load/results.md`` and docs/performance.md."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from benchmarks.load.fairness import TARGET, PathResult
from benchmarks.load.memory import MemorySeries


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResults:
    """What a run has found. ``left`` is what was still waiting in queues when it gave up;
    ``mistakes`` are differences between what was sent and what is stored."""

    began_at: datetime
    tenants: int
    seconds: float
    load_average: tuple[float, float]
    """Of the machine, before and in the middle."""
    paths: Sequence[PathResult]
    memory: Mapping[str, MemorySeries]
    errors: Mapping[str, int]
    drained_seconds: float
    left: Mapping[str, int]
    mistakes: Sequence[str]

    @property
    def is_right(self) -> bool:
        """Whether all data is right and nothing is stuck; it does not depend on speed."""
        return not self.mistakes and not self.left


def render_markdown(results: LoadResults) -> str:
    """The tables, with a sentence about the conditions before them."""
    before, during = results.load_average
    parts = [
        (
            f"Measured on {results.began_at:%Y-%m-%d %H:%M} UTC: {os.cpu_count()} cores, with the "
            f"load generator on them; Python {platform.python_version()}; "
            f"{results.tenants} tenants, {results.seconds / 60:g} minutes; load average "
            f"{before:.1f} before and {during:.1f} during the run."
        ),
        _path_table(results),
        _memory_table(results),
        _summary(results),
    ]
    return "\n\n".join(parts) + "\n"


def _path_table(results: LoadResults) -> str:
    lines = [
        (
            "| path | requests | per second | p50 ms | p95 ms | p99 ms "
            f"| slowest : fastest tenant, p50 | p99, target ≤ {TARGET} | by chance |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {each.path} | {each.requests:,} | {each.requests / results.seconds:.1f} "
        f"| {each.p50:.1f} | {each.p95:.1f} | {each.p99:.1f} | {_ratio(each.spread_p50)} "
        f"| {_ratio(each.spread_p99)}{'' if each.is_fair else ' ✗'} | {_ratio(each.chance_p99)} |"
        for each in results.paths
    ]
    return "\n".join(lines)


def _memory_table(results: LoadResults) -> str:
    lines = [
        "| program, with its children | MiB of its own | growth in ten minutes | |",
        "|---|---:|---:|---|",
    ]
    lines += [
        f"| {name} | {series.mean:.0f} | {series.per_ten_minutes:+.1f} "
        f"| {'flat' if series.is_flat else 'grows ✗'} |"
        for name, series in results.memory.items()
    ]
    return "\n".join(lines)


def _summary(results: LoadResults) -> str:
    errors = [f"* {count} × {reason}" for reason, count in results.errors.items()]
    mistakes = [f"* {each}" for each in results.mistakes]
    left = ", ".join(f"{number} {name}" for name, number in results.left.items())
    drained = f"all queues empty {results.drained_seconds:.0f} s after the last request"
    sentences = [
        (
            f"Errors: {sum(results.errors.values())}. Backlog: {left or drained}. "
            f"Wrong data: {len(mistakes)}."
        ),
        *errors[:20],
        *mistakes[:20],
    ]
    return "\n".join(sentences)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
