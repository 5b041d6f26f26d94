"""Requests to the server's application in this process, many at the same time."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from billing.accounts import service as stripe_accounts
from billing.models import StripeAccount, StripeEndpoint
from config.server.application import Application
from config.wsgi import application as wsgi
from tests.broadcast_sync import receive_broadcasts
from tests.threads import run_in_a_loop
from tests.webhooks.stripe_post import PATH, sign
from webhooks.envelope import Envelope
from webhooks.services.intake import Delivery

FUNCTION = """
CREATE FUNCTION in_a_bad_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {} THEN {} END IF;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER in_a_bad_commit AFTER INSERT OR UPDATE ON {}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION in_a_bad_commit()
"""
REFUSE = "RAISE EXCEPTION 'bad' USING ERRCODE = 'check_violation';"
DISCONNECT = "PERFORM pg_terminate_backend(pg_backend_pid());"
BAD_EVENT = ("webhooks_inboundevent", "NEW.event_id LIKE 'evt_bad%'")


@contextmanager
def when_bad_rows_commit(action: str, table: str, condition: str) -> Iterator[None]:
    """Do this in the commit of every row of the table for which the condition holds."""
    with connection.cursor() as cursor:
        cursor.execute(FUNCTION.format(condition, action))
        cursor.execute(TRIGGER.format(table))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION in_a_bad_commit CASCADE")


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


async def send(
    app: Application,
    path: str,
    body: bytes,
    *,
    client: str = GranianScope.client,
    method: str = "POST",
    query_string: str = "",
    **headers: str,
) -> list[Any]:
    """Send one request; returns status, headers and body of the answer."""
    protocol = GranianProtocol(body)
    fields = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    scope = GranianScope(path, fields, method, query_string, client=client)
    await app.__rsgi__(scope, protocol)
    return protocol.answer


async def post(app: Application, body: bytes, *, path: str = PATH, secret: str = "") -> list[Any]:
    """Deliver one event of Stripe; returns status, headers and body of the answer."""
    signature = sign(body, secret or settings.BILLING.stripe_webhook_secrets[0])
    return await send(app, path, body, stripe_signature=signature)


def cache_endpoints(*tokens: str | None) -> None:
    """Cache endpoints in this process, which has heard of every change of them."""
    receive_broadcasts()
    for token in tokens:
        stripe_accounts.find_endpoint(token)


class StoredBy:
    """Whether the event loop stores events from the first batch on, or at first threads do."""

    loop = False


def any_delivery() -> Delivery:
    endpoint = StripeEndpoint(account=StripeAccount())
    envelope = Envelope(event_id="evt_0")
    return Delivery(
        endpoint=endpoint, body=b"{}", envelope=envelope, at=timezone.now(), traceparent=""
    )


def run_with_application(story: Callable[[Application], Any]) -> Any:
    """Run a story with the application in an event loop of its own."""

    async def run() -> Any:
        app = Application(wsgi)
        app.threads.start(asyncio.get_running_loop())
        if StoredBy.loop:
            await app.loop_execution.open([any_delivery()])
        try:
            return await asyncio.wait_for(story(app), timeout=60)
        finally:
            await app.loop_execution.stop()
            app.threads.stop()

    return run_in_a_loop(run)


def post_together(bodies: Sequence[bytes], **more: Any) -> list[int]:
    """Deliver events at the same moment. Returns the statuses of the answers."""

    async def story(app: Application) -> list[int]:
        answers = await asyncio.gather(*(post(app, body, **more) for body in bodies))
        return [answer[0] for answer in answers]

    cache_endpoints(None)
    statuses: list[int] = run_with_application(story)
    return statuses
