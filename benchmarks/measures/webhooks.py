"""``python -m benchmarks.measures.webhooks SECONDS``: webhooks to a receiver of this machine, from
the log to the stored result, beside the sender alone.

Ten projects with ten endpoints each; one endpoint of each project never answers. Prints JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402  # Django is set up first
from django.utils import timezone  # noqa: E402

from benchmarks.measures.relay import record_events  # noqa: E402
from delivery.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint  # noqa: E402
from delivery.sender.messages import SendJob  # noqa: E402
from delivery.sender.process import SenderProcess  # noqa: E402
from delivery.webhooks import endpoints  # noqa: E402
from delivery.webhooks.dispatcher import Dispatcher, sender_options  # noqa: E402
from delivery.webhooks.endpoints import MAX_RATE, EndpointRequest  # noqa: E402
from events.log import selectors as event_log  # noqa: E402
from projects.models import Project  # noqa: E402

PROJECTS, ENDPOINTS = 10, 10
EVENTS_PER_SECOND = 400
"""Of each project: more than its endpoints' rates let through."""
BODY = b"x" * 600


def measure(seconds: int) -> dict[str, Any]:
    """Deliveries per second of the sender alone and of the whole chain, and what is wrong."""
    with _receiver() as port, SenderProcess(sender_options()) as sender:
        alone = _measure_sender(sender, port, seconds)
        projects = [_project(port, number) for number in range(PROJECTS)]
        for project in projects:
            record_events(project.pk, EVENTS_PER_SECOND * seconds)
        dispatcher = Dispatcher(sender)
        _run(dispatcher, 2.0)  # claims, connections, and the hanging endpoints' first requests
        before, started = dispatcher.delivered, time.perf_counter()
        _run(dispatcher, seconds)
        rate = (dispatcher.delivered - before) / (time.perf_counter() - started)
        dispatcher.stop(at=timezone.now())
    return {"sender": alone, "webhooks": rate, "wrong": _find_mistake(projects)}


def _run(dispatcher: Dispatcher, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        dispatcher.tick(at=timezone.now(), wait=0.005)


def _measure_sender(sender: SenderProcess, port: int, seconds: int) -> float:
    """Four requests in flight for each of a hundred endpoints, without a database."""
    deadline, number, count, in_flight = time.monotonic() + seconds, 0, 0, 0
    started = time.perf_counter()
    while time.monotonic() < deadline:
        while in_flight < 4 * PROJECTS * ENDPOINTS:
            number, in_flight = number + 1, in_flight + 1
            sender.send(_job(number, port))
        results = sender.results(1.0)
        in_flight -= len(results)
        count += sum(result.status == 200 for result in results)
    rate = count / (time.perf_counter() - started)
    while in_flight:
        in_flight -= len(sender.results(1.0))
    return rate


def _job(number: int, port: int) -> SendJob:
    return SendJob(
        job_id=str(number),
        endpoint_id=f"endpoint {number % (PROJECTS * ENDPOINTS)}",
        url=f"http://127.0.0.1:{port}/ok",
        headers={"content-type": "application/json"},
        body=BODY,
        allows_http=True,
        ports=(port,),
    )


def _project(port: int, number: int) -> Project:
    """A project with its endpoints, which are behind nothing."""
    slug = f"hooks-{time.time_ns()}-{number}"
    project = Project.objects.create(name=slug, slug=slug, default_currency="usd")
    for each in range(ENDPOINTS):
        path = "hang" if each == 0 else "ok"
        endpoints.create(
            project=project,
            request=EndpointRequest(url=f"http://127.0.0.1:{port}/{path}", rate=MAX_RATE),
            actor="command",
            at=timezone.now() - timedelta(seconds=1),
        )
    return project


@contextmanager
def _receiver() -> Iterator[int]:
    """A receiver in a process of its own."""
    program = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.measures.webhook_receiver"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    try:
        yield int(program.stdout.readline())
    finally:
        program.kill()
        program.wait()


def _find_mistake(projects: list[Project]) -> str:
    """Error text if positions have holes, or a delivery has no attempt that succeeded."""
    for project in projects:
        heads = event_log.heads([project.pk])
        for row in WebhookEndpoint.objects.for_project(project):
            rows = WebhookDelivery.objects.for_project(project).filter(endpoint=row)
            positions = list(rows.order_by("position").values_list("position", flat=True))
            if positions and positions != list(range(positions[0], positions[-1] + 1)):
                return f"{row.pk} has left out an event"
            done = rows.filter(state="done").count()
            tried = WebhookAttempt.objects.for_project(project).filter(endpoint_id=row.pk)
            if tried.filter(status=200).count() != done:
                return f"{row.pk} has {done} deliveries and another number of attempts"
            if row.position > heads[project.pk]:
                return f"{row.pk} is ahead of the log"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_webhookendpoint SET deleted_at = now()")
    return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
