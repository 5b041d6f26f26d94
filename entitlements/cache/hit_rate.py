"""Where decisions come from: this process's entries, Redis or the database."""

from prometheus_client import Counter

from common.process_metrics import REGISTRY

LOOKUPS_NAME = "tollgate_entitlement_cache_lookups"
PROCESS, REDIS, DATABASE = "process", "redis", "database"

_LOOKUPS = Counter(
    LOOKUPS_NAME,
    "Decisions by where they came from: entries of the process, Redis or the database.",
    ["source"],
    registry=REGISTRY,
)
_process, _redis, _database = (_LOOKUPS.labels(each) for each in (PROCESS, REDIS, DATABASE))


def record(lookups: int, *, here: int, ready: int) -> None:
    """Count lookups: ``here`` were answered by this process, ``ready`` without the database."""
    if here:
        _process.inc(here)
    if ready > here:
        _redis.inc(ready - here)
    if lookups > ready:
        _database.inc(lookups - ready)
