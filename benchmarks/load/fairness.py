"""How evenly tenants are served: the slowest beside the fastest of one path."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.load.kinds import LoadPath
from benchmarks.load.latencies import added_up
from benchmarks.load.tenant_record import TenantRecord

LEAST = 100
"""Requests of a tenant below which its own percentiles are chance."""
TARGET = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PathResult:
    """Milliseconds of all tenants together; ``spread`` are slowest : fastest tenant, by median and
    by 99th percentile, None where tenants sent too few requests."""

    path: LoadPath
    requests: int
    tenants: int
    p50: float
    p95: float
    p99: float
    spread_p50: float | None
    spread_p99: float | None

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

    def spread(percent: float) -> float | None:
        values = [each.percentile(percent) for each in counted]
        return max(values) / min(values) if len(values) > 1 else None

    return PathResult(
        path=path,
        requests=total.total,
        tenants=len(histograms),
        p50=total.percentile(50),
        p95=total.percentile(95),
        p99=total.percentile(99),
        spread_p50=spread(50),
        spread_p99=spread(99),
    )
