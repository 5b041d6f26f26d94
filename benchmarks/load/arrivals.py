"""When requests are due: by an open loop, so that a slow answer does not delay the next request."""

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.load.kinds import RATES, LoadPath
from benchmarks.load.tenants import LoadTenant


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A request that is due ``at`` so many seconds after the beginning."""

    at: float
    tenant: int
    """The tenant's place in the list."""
    path: LoadPath


def arrivals(tenants: Sequence[LoadTenant], *, seconds: float, seed: int) -> Iterator[Arrival]:
    """All requests in the order of their times. Each tenant sends at random times (Poisson) at the
    rates of its kind; the same seed gives the same times."""
    # Not a secret.
    streams = [
        _stream(place, rate.path, rate.per_second, seconds, random.Random(f"{seed} {place} {rate}"))  # noqa: S311
        for place, tenant in enumerate(tenants)
        for rate in RATES
        if tenant.kind in rate.kinds
    ]
    return heapq.merge(*streams)


def _stream(
    place: int, path: LoadPath, per_second: float, seconds: float, chance: random.Random
) -> Iterator[Arrival]:
    at = chance.expovariate(per_second)
    while at < seconds:
        yield Arrival(at, place, path)
        at += chance.expovariate(per_second)
