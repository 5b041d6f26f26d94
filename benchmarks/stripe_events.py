"""Signed events of Stripe about objects of the sandbox, sent when a measure wants them."""

import http.client
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from benchmarks.load.http_client import LoadAnswer, LoadClient
from benchmarks.measures.intake import sign_line

AT_ONCE = 16
"""Events under way at the same time: as many as two processes with eight threads each take."""
TIMEOUT_SECONDS = 60.0
SIGNATURE = "Stripe-Signature"
JSON = {"Content-Type": "application/json"}


def build_event(event_type: str, stripe_object: dict[str, Any]) -> bytes:
    """A new event about this object, as Stripe would send it."""
    body = {
        "id": f"evt_{os.urandom(12).hex()}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "data": {"object": stripe_object},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }
    return orjson.dumps(body)


async def send_event(client: LoadClient, path: str, body: bytes, *, secret: str) -> LoadAnswer:
    """Send one event, signed now."""
    headers = f"{SIGNATURE}: {sign(body, secret)}\r\n"
    return await client.send("POST", path, data=body, headers=headers)


def sign(body: bytes, secret: str) -> str:
    """The value of the signature's header, for now."""
    return sign_line(body, secret).partition(b"\t")[0].decode()


def send_all(port: int, path: str, bodies: Sequence[bytes], *, secret: str) -> str:
    """Send these events as fast as they are answered. Returns an error text for answers that are
    not 2xx."""
    parts = [bodies[start::AT_ONCE] for start in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        sent = threads.map(lambda part: _send_in_turn(port, path, part, secret), parts)
        refused = [error for errors in sent for error in errors]
    return f"{len(refused)} of {len(bodies)} events: {refused[0]}" if refused else ""


def _send_in_turn(port: int, path: str, bodies: Sequence[bytes], secret: str) -> list[str]:
    """Send events on one connection. Returns answers that are not 2xx."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    errors = []
    for body in bodies:
        connection.request("POST", path, body, {SIGNATURE: sign(body, secret), **JSON})
        answer = connection.getresponse()
        text = answer.read()
        if not 200 <= answer.status < 300:
            errors.append(f"{answer.status} {text[:300]!r}")
    connection.close()
    return errors
