"""Callers that send each request until it is acknowledged, whoever is killed meanwhile."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import orjson
import psutil
from django.conf import settings

from tests.server.web_server import Answer, request
from tests.webhooks.stripe_post import PATH, event, sign
from tests.wsgi_calls import CONSUME

SENDERS, OBJECTS, USERS = 12, 20, 5
PAUSE_SECONDS = 0.01
"""Before a request is sent again."""
Send = Callable[[int], None]


def deliver(port: int, event_id: str) -> None:
    """Send an event as Stripe does: again after any answer but 200, and after none."""
    body = orjson.dumps(event(id=event_id, object_id=f"prod_{hash(event_id) % OBJECTS}"))

    def send() -> Answer:
        signature = sign(body, settings.BILLING.stripe_webhook_secrets[0])
        return request(port, "POST", PATH, body, Stripe_Signature=signature)

    _repeat(send)


def consume(port: int, api_key: str, use_key: str) -> None:
    """Consume one unit of the feature ``api`` for one of the users; again, with the same key, after
    any answer but 200, and after none."""
    members = {"user_id": f"user-{hash(use_key) % USERS}", "feature": "api", "key": use_key}
    body = orjson.dumps(members)
    bearer = f"Bearer {api_key}"
    answer = _repeat(lambda: request(port, "POST", CONSUME, body, Authorization=bearer)).json()
    assert (answer["allowed"], answer["consumed"]) == (True, 1)


def _repeat(send: Callable[[], Answer]) -> Answer:
    while True:
        try:
            answer = send()
        except (OSError, IndexError):  # the server's process was killed
            answer = None
        if answer is not None and answer.status == 200:
            return answer
        time.sleep(PAUSE_SECONDS)


@contextmanager
def sending(send: Send, numbers: Iterable[int]) -> Iterator[list[int]]:
    """Send requests with these numbers from several threads; yields the numbers of those that are
    acknowledged, and waits for all at the end."""
    acknowledged: list[int] = []

    def send_one(number: int) -> None:
        send(number)
        acknowledged.append(number)

    with ThreadPoolExecutor(SENDERS) as senders:
        running: list[Future[None]] = [senders.submit(send_one, number) for number in numbers]
        yield acknowledged
        for each in running:
            each.result()


def kill_a_process_of(port: int) -> None:
    """Kill the oldest of the server's processes that accept connections: granian ends when one that
    has just replaced another dies as well."""
    (server,) = (child for child in psutil.Process().children() if str(port) in child.cmdline())
    listening = [process for process in server.children() if _accepts(process, port)]
    os.kill(min(listening, key=psutil.Process.create_time).pid, signal.SIGKILL)


def _accepts(process: psutil.Process, port: int) -> bool:
    """False for a process that ends just now: the one that was killed before."""
    try:
        return any(each.laddr.port == port for each in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False
