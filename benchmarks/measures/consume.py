"""Consume (check and count in one call) for 500 customers in turn."""

from concurrent.futures import ThreadPoolExecutor

from benchmarks import api_client, wrk
from benchmarks.bench_servers import BenchDatabase
from benchmarks.measures import usage
from benchmarks.wrk import LoadResult

PATH = "/api/v1/entitlements/consume"
CUSTOMERS = 500
CONNECTIONS = 16
WRONG_COUNTERS_SQL = """
SELECT count(*) FROM usage_counter c WHERE c.project_id = %(project)s AND c.used <> (
    SELECT coalesce(sum(t.sum), 0) FROM usage_total t
    WHERE t.project_id = c.project_id AND t.customer_id = c.customer_id
      AND t.meter_id = c.meter_id AND t.hour >= c.starts_at AND t.hour < c.ends_at)
"""


def consume_at_peer(url: str, seconds: float) -> LoadResult:
    return _run_consume(url, "", seconds)


def create_counters(world: BenchDatabase) -> None:
    """Consume once per customer: the first call creates the counter from the totals."""
    bodies = [{"user_id": f"u{user}", "feature": "calls"} for user in range(CUSTOMERS)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda body: api_client.send_request(world, "POST", PATH, body), bodies))


def consume_at_product(world: BenchDatabase, seconds: float) -> tuple[LoadResult, str]:
    """Result and error text: each answer must have stored one record."""
    before = usage.count_stored(world)
    load = _run_consume(world.url, world.shop.key, seconds)
    new_records = usage.count_stored(world) - before
    is_right = load.requests - load.bad <= new_records <= load.requests + CONNECTIONS
    return load, "" if is_right else f"{load.requests} answers, {new_records} records"


def find_mistakes(world: BenchDatabase) -> list[str]:
    """Errors of a single call, and counters that differ from their totals."""
    request_body = {"user_id": "u1", "feature": "calls", "amount": 2}
    status, body = api_client.send_request(world, "POST", PATH, request_body)
    wrong = [] if (status, body.get("consumed")) == (200, 2) else [f"consume: {status} {body}"]
    with world.connect() as connection:
        row = connection.execute(WRONG_COUNTERS_SQL, {"project": world.shop.project}).fetchone()
    return wrong if row and row[0] == 0 else [*wrong, f"{row and row[0]} counters are wrong"]


def _run_consume(url: str, key: str, seconds: float) -> LoadResult:
    return wrk.run_wrk(
        url,
        script="consume.lua",
        arguments=[PATH, "calls", key, "0", str(CUSTOMERS)],
        seconds=seconds,
        connections=CONNECTIONS,
    )
