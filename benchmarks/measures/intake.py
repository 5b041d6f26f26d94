"""Intake of Stripe's webhooks: verified, stored as raw bytes, with a sync requested."""

import hashlib
import hmac
import os
import time
from pathlib import Path

import orjson

from benchmarks import wrk
from benchmarks.bench_servers import BenchDatabase
from benchmarks.wrk import LoadResult

PATH = "/webhooks/stripe"
OBJECTS = 500
STORED_SQL = "SELECT count(*) FROM webhooks_inboundevent"


def measure_intake(
    world: BenchDatabase, seconds: float, *, secret: str, at: Path, most: int
) -> tuple[LoadResult, float, str]:
    """Result, stored events per second by the database's count, and error text."""
    events = int(most * seconds)
    before = _count_stored(world)
    load = send_events(world.url, seconds, secret=secret, at=at, events=events)
    stored_events = _count_stored(world) - before
    least = min(load.requests, events - wrk.THREADS)
    wrong = (
        f"{stored_events} events of {least} are kept"
        if stored_events < least and not load.bad
        else ""
    )
    return load, stored_events / load.seconds, wrong


def send_events(
    url: str, seconds: float, *, secret: str, at: Path, events: int, path: str = PATH
) -> LoadResult:
    """Send new events; starts again with the first when all are sent."""
    write_events(at, secret=secret, events=events)
    return wrk.run_wrk(url, script="post.lua", arguments=[path, str(at), ""], seconds=seconds)


def write_events(at: Path, *, secret: str, events: int) -> None:
    """Write signed events to one file per thread."""
    tag, each = os.urandom(5).hex(), events // wrk.THREADS
    for thread in range(wrk.THREADS):
        with at.with_name(f"{at.name}.{thread}").open("wb") as out:
            for number in range(each):
                out.write(sign_line(build_event(f"{tag}{thread}{number:07d}", number), secret))


def build_event(name: str, number: int) -> bytes:
    """An event with size and shape of Stripe's `customer.subscription.updated`."""
    now = int(time.time())
    subscription = f"sub_{number % OBJECTS:024d}"
    price = {"id": "price_pro", "object": "price", "product": "prod_pro", "unit_amount": 4900}
    item = {"id": f"si_{number}", "object": "subscription_item", "price": price, "quantity": 1}
    subscription_object = {
        "id": subscription,
        "object": "subscription",
        "customer": f"cus_{number % OBJECTS}",
        "status": "active",
        "items": {"object": "list", "data": [item], "has_more": False},
        "metadata": {f"key_{index}": "x" * 40 for index in range(20)},
        "created": now,
    }
    body = {
        "id": f"evt_{name}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": now,
        "data": {"object": subscription_object, "previous_attributes": {"status": "trialing"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "customer.subscription.updated",
    }
    return orjson.dumps(body)


def sign_line(body: bytes, secret: str) -> bytes:
    """A line for ``post.lua``: signature header, tab, body."""
    stamp = str(int(time.time())).encode()
    digest = hmac.new(secret.encode(), stamp + b"." + body, hashlib.sha256).hexdigest()
    return b"t=" + stamp + b",v1=" + digest.encode() + b"\t" + body + b"\n"


def _count_stored(world: BenchDatabase) -> int:
    with world.connect() as connection:
        row = connection.execute(STORED_SQL).fetchone()
    return int(row[0]) if row else 0
