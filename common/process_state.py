"""How this process is: its memory, open files and database connections."""

from prometheus_client import ProcessCollector

from common.postgres.base import pool_stats

_PROCESS = {
    "process_resident_memory_bytes": "resident_memory_bytes",
    "process_open_fds": "open_files",
}
_collector = ProcessCollector(registry=None)


def measure() -> dict[str, float]:
    """The figures by name; on systems without /proc only those of the database pool."""
    pool = pool_stats()
    idle = pool.get("pool_available", 0)
    return {
        "database_connections_idle": idle,
        "database_connections_used": pool.get("pool_size", 0) - idle,
        "database_waiting": pool.get("requests_waiting", 0),
        **{
            _PROCESS[family.name]: family.samples[0].value
            for family in _collector.collect()
            if family.name in _PROCESS
        },
    }
