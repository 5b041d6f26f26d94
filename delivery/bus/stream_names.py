"""Names of keys and fields in Redis, which docs/bus.md promises to consumers."""

EPOCH = "tollgate:epoch"
"""Key with the name of the log's history of positions."""
STREAM_OF_ALL = "tollgate:events:all"
"""Events of all projects; the id of an entry is ``<number>-0``."""


def stream_of(project_id: str) -> str:
    """Events of one project; the id of an entry is ``<position>-0``."""
    return f"tollgate:events:{project_id}"
