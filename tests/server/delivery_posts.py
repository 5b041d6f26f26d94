"""Deliveries of Stripe to the server's application in this process, many at the same time."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from billing.accounts import service as stripe_accounts
from config.server.application import Application
from config.wsgi import application as wsgi
from tests.threads import run_in_a_loop
from tests.webhooks.stripe_post import PATH, sign

FUNCTION = """
CREATE FUNCTION commit_of_a_bad_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event_id LIKE 'evt_bad%' THEN {} END IF;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER commit_of_a_bad_event AFTER INSERT ON webhooks_inboundevent
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commit_of_a_bad_event()
"""
REFUSE = "RAISE EXCEPTION 'bad' USING ERRCODE = 'check_violation';"
DISCONNECT = "PERFORM pg_terminate_backend(pg_backend_pid());"


@contextmanager
def when_bad_events_commit(action: str) -> Iterator[None]:
    """Do this in the commit of every event whose id begins with ``evt_bad``."""
    with connection.cursor() as cursor:
        cursor.execute(FUNCTION.format(action))
        cursor.execute(TRIGGER)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION commit_of_a_bad_event CASCADE")


@dataclass
class GranianScope:
    """What granian tells about a request."""

    path: str
    headers: dict[str, str]
    method: str = "POST"
    query_string: str = ""
    server: str = "127.0.0.1:80"
    client: str = "127.0.0.1:1234"
    http_version: str = "1.1"
    scheme: str = "http"


@dataclass
class GranianProtocol:
    """Gives a request's body, and takes the answer."""

    body: bytes
    answer: list[Any] = field(default_factory=list)

    async def __call__(self) -> bytes:
        return self.body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answer = [status, dict(headers), orjson.loads(body)]


async def post(app: Application, body: bytes, *, path: str = PATH, secret: str = "") -> list[Any]:
    """Deliver one event; returns status, headers and body of the answer."""
    signature = sign(body, secret or settings.BILLING.stripe_webhook_secrets[0])
    headers = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "stripe-signature": signature,
    }
    protocol = GranianProtocol(body)
    await app.__rsgi__(GranianScope(path, headers), protocol)
    return protocol.answer


def run_with_application(story: Callable[[Application], Any]) -> Any:
    """Run a story with the application in an event loop of its own, with cached endpoints."""
    stripe_accounts.find_endpoint(None)

    async def run() -> Any:
        app = Application(wsgi)
        app.threads.start(asyncio.get_running_loop())
        try:
            return await asyncio.wait_for(story(app), timeout=60)
        finally:
            app.threads.stop()

    return run_in_a_loop(run)


def post_together(bodies: Sequence[bytes], **more: Any) -> list[int]:
    """Deliver events at the same moment. Returns the statuses of the answers."""

    async def story(app: Application) -> list[int]:
        answers = await asyncio.gather(*(post(app, body, **more) for body in bodies))
        return [answer[0] for answer in answers]

    statuses: list[int] = run_with_application(story)
    return statuses
