"""``GET /events``: one reader walks the log by cursor, beside the same pages by SQL alone."""

import http.client
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import orjson
import psycopg

from benchmarks.bench_servers import BenchDatabase

PAGE = 500
"""Events of one page."""
COLUMNS = """
SELECT log.position, event.id, event.type, event.schema_version, event.occurred_at,
    log.customer_id, log.sequence, event.version, log.previous_version, event.subject,
    event.cause_type, event.cause_id, event.data::text, event.previous::text
FROM events_loggedevent log JOIN events_outboxevent event ON event.id = log.event_id
WHERE log.project_id = %s AND log.position > %s ORDER BY log.position LIMIT 500
"""


@dataclass(frozen=True, slots=True)
class PullResult:
    """``per_second`` counts events while a page was awaited; ``page_ms`` is the median page."""

    per_second: float
    page_ms: float
    wrong: str


def latest(world: BenchDatabase) -> str:
    """The cursor behind the newest event."""
    with _Reader(world) as reader:
        return str(reader.get("latest")["next"])


def middle(world: BenchDatabase) -> str:
    """The cursor in the middle of the project's history. Tenants cannot compute one."""
    tags, _, position = latest(world).rpartition("-")
    return f"{tags}-{int(position) // 2}"


def walk(world: BenchDatabase, cursor: str, seconds: float) -> PullResult:
    """Read page after page from the cursor on, again and again if the log ends."""
    events, waited, pages = 0, 0.0, list[float]()
    after, wrong = cursor, ""
    with _Reader(world) as reader:
        while waited < seconds and not wrong:
            started = time.perf_counter()
            page = reader.get(after)
            pages.append(time.perf_counter() - started)
            waited += pages[-1]
            events += len(page["data"])
            wrong = _find_mistake(after, page)
            after = page["next"] if page["has_more"] else cursor
    return PullResult(events / waited, 1000 * statistics.median(pages), wrong)


def walk_by_sql(world: BenchDatabase, cursor: str, seconds: float) -> float:
    """Events per second of the same pages, read by one prepared statement."""
    begin = int(cursor.rpartition("-")[2])
    events, started = 0, time.perf_counter()
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        connection.prepare_threshold = 0
        for rows in _iterate_pages(connection, world.shop.project, begin):
            events += len(rows)
            if time.perf_counter() - started >= seconds:
                break
    return events / (time.perf_counter() - started)


def _iterate_pages(
    connection: psycopg.Connection[Any], project: str, begin: int
) -> Iterator[list[tuple[Any, ...]]]:
    position = begin
    while True:
        rows = connection.execute(COLUMNS, [project, position]).fetchall()
        yield rows
        position = rows[-1][0] if len(rows) == PAGE else begin


def _find_mistake(after: str, page: dict[str, Any]) -> str:
    """Error text if a position is missing, or the page ends elsewhere than it says."""
    begin = int(after.rpartition("-")[2])
    positions = [event["position"] for event in page["data"]]
    if positions != list(range(begin + 1, begin + 1 + len(positions))):
        return f"the page behind {after} has a gap"
    if page["has_more"] and len(positions) != PAGE:
        return f"the page behind {after} has {len(positions)} events"
    return ""


class _Reader:
    """One connection that is kept open."""

    def __init__(self, world: BenchDatabase) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {world.shop.key}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, after: str) -> dict[str, Any]:
        path = f"/api/v1/events?after={after}&limit={PAGE}"
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path} was answered with {answer.status}: {body[:200]!r}")
        page: dict[str, Any] = orjson.loads(body)
        return page
