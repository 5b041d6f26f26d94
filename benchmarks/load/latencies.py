"""Histograms of latencies in bounded memory, which can be added up."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

SMALLEST_MS = 0.05
GROWTH = 1.05
"""Each bucket is 5 % wider than the one before: a percentile is exact to 5 %."""
BUCKETS = 320
"""The last one begins at five minutes."""


class LatencyHistogram:
    """Counts by bucket. ``share`` and ``percentile`` read it, ``add`` and ``merge`` fill it."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, milliseconds: float) -> None:
        self.counts[_bucket(milliseconds)] += 1

    def merge(self, other: "LatencyHistogram") -> None:
        self.counts.update(other.counts)

    @property
    def total(self) -> int:
        return self.counts.total()

    def percentile(self, percent: float) -> float:
        """Milliseconds that so many percent of the requests did not exceed; 0 without requests."""
        least, seen = math.ceil(self.total * percent / 100), 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= least:
                return _upper_end(bucket)
        return 0.0

    def as_json(self) -> dict[str, int]:
        return {str(bucket): count for bucket, count in self.counts.items()}

    @classmethod
    def from_json(cls, counts: Mapping[str, int]) -> "LatencyHistogram":
        return cls({int(bucket): count for bucket, count in counts.items()})


def added_up(histograms: Iterable[LatencyHistogram]) -> LatencyHistogram:
    total = LatencyHistogram()
    for each in histograms:
        total.merge(each)
    return total


def _bucket(milliseconds: float) -> int:
    if milliseconds <= SMALLEST_MS:
        return 0
    return min(BUCKETS, math.ceil(math.log(milliseconds / SMALLEST_MS, GROWTH)))


def _upper_end(bucket: int) -> float:
    return SMALLEST_MS * GROWTH**bucket
