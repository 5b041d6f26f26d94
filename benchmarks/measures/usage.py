"""Usage records over HTTP, in batches, each with its own key and with totals."""

import os
import random
from pathlib import Path

import orjson

from benchmarks import wrk
from benchmarks.bench_servers import BenchDatabase
from benchmarks.wrk import LoadResult

PATH = "/api/v1/usage"
CONNECTIONS = 4
CUSTOMERS = 1000
STORED_SQL = "SELECT count(*) FROM usage_record WHERE project_id = %s"
TOTALS_SQL = """
SELECT coalesce(sum(t.sum), 0) = (
    SELECT coalesce(sum(r.value), 0) FROM usage_record r
    WHERE r.project_id = %(project)s AND r.voided_at IS NULL)
FROM usage_total t WHERE t.project_id = %(project)s
"""


def measure_ingest(
    world: BenchDatabase, seconds: float, *, size: int, at: Path, most: int
) -> tuple[LoadResult, float, str]:
    """Result, stored rows per second by the database's count, and error text.

    ``most`` rows are prepared per second; a faster server gets some of them again.
    """
    requests = write_bodies(at, size=size, rows=int(most * seconds))
    before = count_stored(world)
    load = wrk.run_wrk(
        world.url,
        script="post.lua",
        arguments=[PATH, str(at), world.shop.key],
        seconds=seconds,
        connections=CONNECTIONS,
    )
    new_rows = count_stored(world) - before
    least = min(load.requests, requests) * size
    wrong = f"{new_rows} rows of {least} are there" if new_rows < least and not load.bad else ""
    return load, new_rows / load.seconds, wrong


def write_bodies(at: Path, *, size: int, rows: int) -> int:
    """Write request bodies to one file per thread. Returns their number."""
    tag, each = os.urandom(5).hex(), max(1, rows // size // wrk.THREADS)
    for thread in range(wrk.THREADS):
        with at.with_name(f"{at.name}.{thread}").open("wb") as out:
            for number in range(each):
                out.write(_build_body(f"{tag}-{thread}-{number}", size))
    return each * wrk.THREADS


def _build_body(tag: str, size: int) -> bytes:
    picked = random.choices(range(CUSTOMERS), k=size)  # noqa: S311  # any will do
    records = [
        {"user_id": f"u{user}", "meter": "events", "value": user % 100, "key": f"{tag}-{number}"}
        for number, user in enumerate(picked)
    ]
    return orjson.dumps({"records": records}) + b"\n"


def count_stored(world: BenchDatabase) -> int:
    """Number of usage records of the measured project."""
    with world.connect() as connection:
        row = connection.execute(STORED_SQL, [world.shop.project]).fetchone()
    return int(row[0]) if row else 0


def find_mistakes(world: BenchDatabase) -> list[str]:
    """Error text if a total differs from the sum of its records."""
    with world.connect() as connection:
        row = connection.execute(TOTALS_SQL, {"project": world.shop.project}).fetchone()
    return [] if row and row[0] else ["the totals are not what the records come to"]
