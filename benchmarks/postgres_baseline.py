"""Baselines of PostgreSQL alone: prepared rows, and commits of one row."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import psycopg

PROCESSES = 2
CONNECTIONS = 8
BATCH = 1000
SCHEMA = """
DROP TABLE IF EXISTS bare_record, bare_event, bare_counter;
CREATE TABLE bare_record (
    project_id text NOT NULL, customer_id text NOT NULL, meter_id text NOT NULL, id text NOT NULL,
    value bigint NOT NULL, occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (project_id, id));
CREATE TABLE bare_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id text NOT NULL UNIQUE,
    body bytea NOT NULL, received_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE bare_counter (
    user_id text PRIMARY KEY, used numeric(38) NOT NULL, most numeric(38) NOT NULL);
INSERT INTO bare_counter SELECT 'u' || n, 0, 1e12 FROM generate_series(0, 99999) AS n;
ANALYZE bare_counter;
"""
COPY = "COPY bare_record (project_id, customer_id, meter_id, id, value, occurred_at) FROM STDIN"
JSON_ROWS = """
INSERT INTO bare_record (project_id, customer_id, meter_id, id, value, occurred_at)
SELECT project_id, customer_id, meter_id, id, value, occurred_at FROM json_to_recordset(%s::json)
    AS r (project_id text, customer_id text, meter_id text, id text, value bigint,
          occurred_at timestamptz)
ON CONFLICT DO NOTHING
"""
NAMES = ("project_id", "customer_id", "meter_id", "id", "value", "occurred_at")
EVENT = "INSERT INTO bare_event (event_id, body) VALUES (%s, %s) ON CONFLICT DO NOTHING"


def reset_tables(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute("CHECKPOINT")


def rows_per_second(url: str, kind: str, seconds: float) -> float:
    """Rows per second that two processes store in batches of 1,000, prepared in advance.

    ``kind`` is ``copy`` or ``json``.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE bare_record")
    context = multiprocessing.get_context("spawn")
    start, rates_queue = context.Barrier(PROCESSES), context.Queue()
    running = [
        context.Process(target=_store_rows, args=(url, kind, seconds, start, rates_queue))
        for _ in range(PROCESSES)
    ]
    for each in running:
        each.start()
    rates: list[float] = [rates_queue.get(timeout=120) for _ in running]
    for each in running:
        each.join(20)
    return sum(rates)


def _store_rows(url: str, kind: str, seconds: float, start: Any, rates_queue: Any) -> None:
    tag = os.urandom(4).hex()
    batches = [_build_batch(kind, f"{tag}{number:06x}") for number in range(int(120 * seconds))]
    with psycopg.connect(url, autocommit=True) as connection:
        send = SENDERS[kind]
        start.wait()
        begun, done = time.perf_counter(), 0
        for batch in batches:
            send(connection, batch)
            done += BATCH
            if time.perf_counter() - begun > seconds:
                break
        rates_queue.put(done / (time.perf_counter() - begun))


def _copy(connection: psycopg.Connection[Any], batch: str) -> None:
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write(batch)


def _insert(connection: psycopg.Connection[Any], batch: str) -> None:
    connection.execute(JSON_ROWS, [batch])


def _build_batch(kind: str, tag: str) -> str:
    rows = [
        (
            "prj_01j9zc3k5v8e4w2t7x6y5q4r3s",
            f"cus_01j9zc3k5v8e4w2t7x6y{number % 1000:06d}",
            "mtr_01j9zc3k5v8e4w2t7x6y5q4r3s",
            f"use_{tag}{number:012x}",
            number,
            "2026-11-21T12:00:00Z",
        )
        for number in range(BATCH)
    ]
    if kind == "copy":
        return "".join("\t".join(map(str, row)) + "\n" for row in rows)
    return orjson.dumps([dict(zip(NAMES, row, strict=True)) for row in rows]).decode()


def commits_per_second(url: str, seconds: float, body: bytes) -> float:
    """One-row transactions per second over eight connections."""
    counts = [0] * CONNECTIONS
    gate = threading.Barrier(CONNECTIONS + 1)
    tag = os.urandom(4).hex()
    stop = [0.0]

    def work(index: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.prepare_threshold = 1
            gate.wait()
            while time.perf_counter() < stop[0]:
                connection.execute(EVENT, (f"{tag}-{index}-{counts[index]}", body))
                counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(CONNECTIONS)]
    for each in threads:
        each.start()
    begun = time.perf_counter()
    stop[0] = begun + seconds
    gate.wait()
    for each in threads:
        each.join()
    return sum(counts) / (time.perf_counter() - begun)


SENDERS: dict[str, Callable[[psycopg.Connection[Any], str], None]] = {
    "copy": _copy,
    "json": _insert,
}
"""Functions that send a batch, by kind."""
