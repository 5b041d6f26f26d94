"""Gauges of PostgreSQL, Redis and our processes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from prometheus_client.metrics_core import Metric

from common import process_metrics, queue, redis
from common.postgres import activity
from common.process_metrics import ProcessState
from config.metrics.gauge import gauge, single

ROLES = ("web", "worker", "worker_child", "deliver")
_REDIS_FIGURES = ("connected_clients", "used_memory", "maxmemory", "evicted_keys")


def gauge_database(at: datetime) -> Iterable[Metric]:
    """Connections and the oldest transaction, as PostgreSQL sees them."""
    current = activity.read()
    connections = [({"state": state}, count) for state, count in current.connections.items()]
    return [
        gauge("database_connections", "Connections to the database by state.", connections),
        single("database_connections_limit", "Connections that it allows.", current.limit),
        single(
            "database_transaction_age_seconds",
            "Age of the oldest open transaction.",
            current.transaction_age,
        ),
    ]


def read_redis() -> dict[str, float] | None:
    """Redis' own figures; None if it does not answer."""
    return redis.ask_patiently(_redis_figures, patience=process_metrics.PATIENCE)


def gauge_redis(figures: Mapping[str, float] | None) -> Iterable[Metric]:
    """Whether Redis answers, its memory, and the messages that wait for workers. No query."""
    up = single("redis_up", "1 if Redis answers.", float(figures is not None))
    if figures is None:
        return [up]
    return [
        up,
        single("redis_connected_clients", "Connections.", figures["connected_clients"]),
        single("redis_memory_bytes", "Memory in use.", figures["used_memory"]),
        single("redis_memory_limit_bytes", "Its limit; 0 without one.", figures["maxmemory"]),
        single("redis_evicted_keys", "Keys evicted since it started.", figures["evicted_keys"]),
        single("broker_messages", "Wake-ups and tasks that no worker has taken.", figures["queue"]),
    ]


def _redis_figures(client: Any) -> dict[str, float]:
    info = client.info()
    figures = {name: float(info.get(name, 0)) for name in _REDIS_FIGURES}
    return {**figures, "queue": float(client.llen(queue.QUEUE))}


def gauge_processes(states: Iterable[ProcessState]) -> Iterable[Metric]:
    """Processes by role, with their memory and database connections. No query."""
    counts = dict.fromkeys(ROLES, 0)
    totals: defaultdict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(ROLES, 0.0))
    for state in states:
        counts[state.role] = counts.get(state.role, 0) + 1
        for name, value in state.figures.items():
            totals[name][state.role] = totals[name].get(state.role, 0.0) + value

    def by_role(name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        return [({"role": role, **labels}, value) for role, value in totals[name].items()]

    pool = "database_connections"
    return [
        gauge("processes", "Running processes.", [({"role": r}, n) for r, n in counts.items()]),
        gauge(
            "process_resident_memory_bytes",
            "Memory of all processes of a role.",
            by_role("resident_memory_bytes"),
        ),
        gauge("process_open_files", "Open files and sockets.", by_role("open_files")),
        gauge(
            "database_pool_connections",
            "Connections in the pools of all processes of a role.",
            [*by_role(f"{pool}_used", state="used"), *by_role(f"{pool}_idle", state="idle")],
        ),
        gauge(
            "database_pool_waiting",
            "Requests and tasks that wait for a connection.",
            by_role("database_waiting"),
        ),
        gauge("build_info", "The version.", [({"version": settings.VERSION}, 1.0)]),
    ]
