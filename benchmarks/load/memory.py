"""Memory of the product's programs over time."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psutil

MIB = 1024 * 1024
WARM_UP = 0.4
"""Share of the run at its beginning that is left out: caches fill, pools open, code is loaded."""
ALLOWED_SHARE, ALLOWED_MIB = 0.05, 8.0
"""Growth in ten minutes that still counts as flat: the larger of the two."""


@dataclass(slots=True)
class MemorySeries:
    """Samples of one program with its children: seconds since the beginning, MiB of its own (USS,
    without what it shares with other processes)."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    @property
    def settled(self) -> list[tuple[float, float]]:
        last = self.samples[-1][0] if self.samples else 0.0
        return [each for each in self.samples if each[0] >= WARM_UP * last]

    @property
    def per_ten_minutes(self) -> float:
        """Growth in MiB, by the straight line through the settled samples."""
        settled = self.settled
        if len({at for at, _ in settled}) < 2:
            return 0.0
        line = statistics.linear_regression(*zip(*settled, strict=True))
        return line.slope * 600

    @property
    def mean(self) -> float:
        return statistics.fmean(mib for _, mib in self.settled) if self.samples else 0.0

    @property
    def is_flat(self) -> bool:
        return self.per_ten_minutes <= max(ALLOWED_MIB, ALLOWED_SHARE * self.mean)


def sample(
    series: dict[str, MemorySeries], programs: Mapping[str, psutil.Process], *, at: float
) -> None:
    """Add a sample of each program that runs."""
    for name, process in programs.items():
        mib = sum(_own_bytes(each) for each in _family(process)) / MIB
        series.setdefault(name, MemorySeries()).samples.append((at, mib))


def _family(process: psutil.Process) -> Iterable[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _own_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
