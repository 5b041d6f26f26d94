"""How evenly tenants are served: the slowest beside the fastest of one path."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from benchmarks.load.kinds import LoadPath
from benchmarks.load.latencies import LatencyHistogram, added_up
from benchmarks.load.tenant_record import TenantRecord

LEAST = 100
"""Requests of a tenant below which its own percentiles are chance."""
TARGET = 1.5
SEED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PathResult:
    """Milliseconds of all tenants together; ``spread`` are slowest : fastest tenant, by median and
    by 99th percentile, None where tenants sent too few requests. ``chance_p99`` is what the latter
    would be if all requests had been dealt to the tenants at random."""

    path: LoadPath
    requests: int
    tenants: int
    p50: float
    p95: float
    p99: float
    spread_p50: float | None
    spread_p99: float | None
    chance_p99: float | None

    @property
    def is_fair(self) -> bool:
        return self.spread_p99 is None or self.spread_p99 <= TARGET


def path_results(records: Iterable[TenantRecord]) -> list[PathResult]:
    """One result for each path that somebody used."""
    kept = list(records)
    results = (_result(path, kept) for path in LoadPath)
    return [each for each in results if each is not None]


def _result(path: LoadPath, records: list[TenantRecord]) -> PathResult | None:
    histograms = [each.latencies[path] for each in records if path in each.latencies]
    if not histograms:
        return None
    total = added_up(histograms)
    counted = [each for each in histograms if each.total >= LEAST]

    return PathResult(
        path=path,
        requests=total.total,
        tenants=len(histograms),
        p50=total.percentile(50),
        p95=total.percentile(95),
        p99=total.percentile(99),
        spread_p50=_spread(counted, 50),
        spread_p99=_spread(counted, 99),
        chance_p99=_spread(_dealt_at_random(added_up(counted), counted), 99),
    )


def _spread(histograms: list[LatencyHistogram], percent: float) -> float | None:
    values = [each.percentile(percent) for each in histograms]
    return max(values) / min(values) if len(values) > 1 else None


def _dealt_at_random(
    total: LatencyHistogram, shares: list[LatencyHistogram]
) -> list[LatencyHistogram]:
    """The same latencies, dealt to tenants with as many requests each."""
    buckets = list(total.counts.elements())
    random.Random(SEED).shuffle(buckets)  # noqa: S311
    dealt = iter(buckets)
    return [LatencyHistogram(Counter(islice(dealt, share.total))) for share in shares]
