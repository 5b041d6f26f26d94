"""Runs of periodic tasks in workers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from common.process_metrics import REGISTRY

_RUNS = Counter("tollgate_chore_runs", "Runs by outcome.", ["task", "outcome"], registry=REGISTRY)
_SECONDS = Counter(
    "tollgate_chore_run_seconds", "Time that runs took, together.", ["task"], registry=REGISTRY
)


@contextmanager
def measured(task: str) -> Iterator[None]:
    """Count the run inside, and how long it takes."""
    started, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "done"
    finally:
        _RUNS.labels(task, outcome).inc()
        _SECONDS.labels(task).inc(time.perf_counter() - started)
