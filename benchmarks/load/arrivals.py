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


def arrivals(
    tenants: Sequence[LoadTenant], *, seconds: float, rate: float, seed: int
) -> Iterator[Arrival]:
    """All requests in the order of their times. Each tenant sends at random times (Poisson) at
    ``rate`` times the rates of its kind; the same seed gives the same times."""
    streams = [
        _stream(place, each.path, rate * each.per_second, seconds, f"{seed} {place} {each}")
        for place, tenant in enumerate(tenants)
        for each in RATES
        if tenant.kind in each.kinds
    ]
    return heapq.merge(*streams)


def _stream(
    place: int, path: LoadPath, per_second: float, seconds: float, seed: str
) -> Iterator[Arrival]:
    chance = random.Random(seed)  # noqa: S311
    at = chance.expovariate(per_second)
    while at < seconds:
        yield Arrival(at, place, path)
        at += chance.expovariate(per_second)
