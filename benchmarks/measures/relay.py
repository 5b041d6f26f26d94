"""``python -m benchmarks.measures.relay PROJECT EVENTS``: the relay to Redis Streams, beside bare
pipelined XADD of the same bytes.

Records new events of about 1,000 bytes, gives them their places, and publishes them to two streams
(of all, of the project): from memory with nothing else, then with the relay. Prints JSON.
"""

import json
import sys
import time
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402  # Django is set up first
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402
from hiredis import pack_command  # noqa: E402
from redis.connection import parse_url  # noqa: E402

from common.redis import RedisConnection  # noqa: E402
from delivery.bus import relay  # noqa: E402
from delivery.bus.stream_commands import pack_add, pack_fields  # noqa: E402
from delivery.bus.stream_names import EPOCH, STREAM_OF_ALL, stream_of  # noqa: E402
from delivery.bus.streams import StreamsBus  # noqa: E402
from delivery.models import Outlet  # noqa: E402
from events.catalog import EventType  # noqa: E402
from events.log import outbox, rendered, sequencer  # noqa: E402
from events.log import selectors as event_log  # noqa: E402
from events.log.outbox import NewEvent  # noqa: E402
from events.log.rendered import RenderedEvent  # noqa: E402

CUSTOMERS = 1000
FILLING = "x" * 660
BATCH = 1000


def measure(project: str, count: int) -> dict[str, Any]:
    """Events per second of both, bytes of a body, and what is wrong with the streams."""
    begin_at_the_end()
    relay_all()
    before = event_log.last_number()
    record_events(project, count)
    bare, size = measure_bare(before)
    started = time.perf_counter()
    relay_all()
    seconds = time.perf_counter() - started
    return {
        "bare": bare,
        "relay": count / seconds,
        "body_bytes": size,
        "wrong": find_mistake(project),
    }


def begin_at_the_end() -> None:
    """Let the streams end with the log's last event. A bus that is empty would be filled first with
    all that is kept, which is not what is measured."""
    last = event_log.last_number()
    for event in rendered.page(after=last - 1):
        packed = pack_fields(event)
        places = {STREAM_OF_ALL: event.number, stream_of(event.project_id): event.position}
        exchange(
            pack_command(("SET", EPOCH, event_log.epoch())),  # type: ignore[arg-type]  # as above
            *(pack_add(name, number=at, packed=packed, length=1) for name, at in places.items()),
        )
    Outlet.objects.update_or_create(name="bus", defaults={"number": last})


def exchange(*commands: bytes) -> list[Any]:
    """Send commands to the bus; the replies."""
    server = RedisConnection(parse_url(settings.BUS.url), timeout=10)  # type: ignore[no-untyped-call]
    replies: list[Any] = server.exchange(b"".join(commands), len(commands))
    server.close()
    return replies


def relay_all() -> None:
    """Publish everything."""
    while not relay.run(StreamsBus(settings.BUS), at=timezone.now()).is_complete:
        pass


def measure_bare(before: int) -> tuple[float, float]:
    """Events per second of XADD alone, and mean bytes of a body."""
    pages: list[list[RenderedEvent]] = []
    while page := rendered.page(after=pages[-1][-1].number if pages else before):
        pages.append(page)
    bus = settings.BUS
    streams = {"bench:all": bus.length, "bench:project": bus.project_length}
    batches = [
        b"".join(
            pack_add(stream, number=event.number, packed=pack_fields(event), length=length)
            for event in page
            for stream, length in streams.items()
        )
        for page in pages
    ]
    server = RedisConnection(parse_url(bus.url), timeout=10)  # type: ignore[no-untyped-call]
    started = time.perf_counter()
    for page, batch in zip(pages, batches, strict=True):
        server.exchange(batch, len(page) * len(streams))
    seconds = time.perf_counter() - started
    server.exchange(pack_command(("UNLINK", *streams)), 1)  # type: ignore[arg-type]  # any length
    server.close()
    events = [event for page in pages for event in page]
    return len(events) / seconds, sum(len(event.body) for event in events) / len(events)


def record_events(project: str, count: int) -> None:
    """Record events, and give them their places."""
    for begin in range(0, count, BATCH):
        customers = [f"cus_{number % CUSTOMERS}" for number in range(begin, begin + BATCH)]
        outbox.record_many(
            project_id=project,
            event_type=EventType.CUSTOMER_UPDATED,
            events=[
                NewEvent(subject=each, customer_id=each, data={"id": each, "name": FILLING})
                for each in customers
            ],
            at=timezone.now(),
        )
    while not sequencer.run().is_complete:
        pass
    with connection.cursor() as cursor:  # a plan made for an empty table reads all of it
        cursor.execute("ANALYZE events_loggedevent, events_outboxevent")


def find_mistake(project: str) -> str:
    """Error text if a stream does not end with the log's last event."""
    heads = {
        STREAM_OF_ALL: event_log.last_number(),
        stream_of(project): event_log.heads([project])[project],
    }
    for stream, head in heads.items():
        (entries,) = exchange(pack_command(("XREVRANGE", stream, "+", "-", "COUNT", 1)))  # type: ignore[arg-type]
        if not entries or entries[0][0] != b"%d-0" % head:
            return f"{stream} does not end with {head}"
    return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
