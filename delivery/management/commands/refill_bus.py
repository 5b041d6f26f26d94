"""Publish again what a bus has lost."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from delivery.bus import buses, relay
from delivery.bus.bus import BusUnavailable
from delivery.bus.streams import StreamsBus
from delivery.outlets import selectors as outlets
from events.log import selectors as event_log

PAUSE_SECONDS = 0.2
"""Between two tries while a worker publishes."""
MOST_FAILURES = 5


class Command(BaseCommand):
    help = (
        "Publishes what is missing in the streams of all projects; the relay notices most losses "
        "itself. With --from-oldest, the bus is emptied and filled with every event that is kept, "
        "also after a customer was erased; Kafka gets them a second time. Workers go on meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--bus",
            choices=[buses.STREAMS, buses.KAFKA],
            default=buses.STREAMS,
            help="Redis Streams (the default) or Kafka.",
        )
        parser.add_argument(
            "--from-oldest", action="store_true", help="Fill the bus anew from the oldest event."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["bus"]
        if name not in buses.configured():
            raise CommandError("Set BUS_URL, or KAFKA_SERVERS for Kafka.")
        try:
            if options["from_oldest"]:
                while not relay.begin_anew(buses.open_bus(name), at=timezone.now()):
                    time.sleep(PAUSE_SECONDS)
            published = self._publish(name)
            missing = self._complete(name)
        except BusUnavailable as error:
            raise CommandError(f"The bus is not available: {error}") from error
        self.stdout.write(f"{published} event(s) published, {missing} added to projects' streams.")

    def _publish(self, name: str) -> int:
        """Publish, or watch a worker publish, up to the end that the log has now. Returns how many
        events."""
        begin = max(outlets.number(name) or 0, (event_log.oldest_number() or 1) - 1)
        end, at, failures = event_log.last_number(), begin, 0
        with tqdm(
            total=end - begin, unit=" events", disable=None, leave=False, file=sys.stderr
        ) as bar:
            while at < end:
                run = relay.run(buses.open_bus(name), at=timezone.now())
                number = max(outlets.number(name) or 0, begin)
                bar.update(number - at)
                failures = 0 if number != at or run.events else failures + 1
                if failures > MOST_FAILURES:
                    raise BusUnavailable("nothing was published; /health says why")
                at = number
                time.sleep(0 if run.events else PAUSE_SECONDS)
        return end - begin

    def _complete(self, name: str) -> int:
        bus = buses.open_bus(name)
        try:
            return bus.complete() if isinstance(bus, StreamsBus) else 0
        finally:
            bus.close()
