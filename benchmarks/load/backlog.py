"""What the product has not done yet: the queues behind the answers."""

import time
from collections.abc import Callable
from typing import Any

import psycopg

QUEUES = {
    "objects to read at Stripe": """
        SELECT count(*) FROM billing_syncobject
        WHERE applied < requested AND parked_at IS NULL""",
    "parked objects": "SELECT count(*) FROM billing_syncobject WHERE parked_at IS NOT NULL",
    "writes at Stripe without a result": """
        SELECT count(*) FROM billing_stripeintent
        WHERE state IN ('planned', 'sent', 'unknown', 'parked')""",
    "events without a position": "SELECT count(*) FROM events_pendingevent",
    "endpoints behind the log": """
        SELECT count(*) FROM delivery_webhookendpoint AS endpoint
        JOIN events_projecthead AS head USING (project_id)
        WHERE endpoint.position < head.position AND endpoint.deleted_at IS NULL""",
    "webhooks to send": """
        SELECT count(*) FROM delivery_webhookdelivery WHERE state IN ('waiting', 'behind')""",
}


def count(database_url: str) -> dict[str, int]:
    """How much waits in each queue."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return {name: _number(connection, statement) for name, statement in QUEUES.items()}


def drain(
    database_url: str, *, patience: float, say: Callable[[str], None]
) -> tuple[float, dict[str, int]]:
    """Wait until every queue is empty. Returns the seconds, and what was left after
    ``patience``."""
    started = time.monotonic()
    while True:
        waiting = {name: number for name, number in count(database_url).items() if number}
        passed = time.monotonic() - started
        if not waiting or passed > patience:
            return passed, waiting
        say(f"waiting for {waiting}")
        time.sleep(1)


def _number(connection: psycopg.Connection[Any], statement: Any) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0
