"""``python -m …bus_program sequencer|relay|consumer|inbound``, with DATABASE_URL and BUS_ADDRESS.

BUS_IDLE_SECONDS: when an entry that a process has had for so long is taken over.
"""

import os
import sys
import time

import django

django.setup()

from django.utils import timezone  # noqa: E402  # Django is set up first

from delivery.bus import consumer, readers, relay, stream_group  # noqa: E402
from delivery.bus.bus import BusUnavailable  # noqa: E402
from delivery.bus.streams import StreamsBus  # noqa: E402
from delivery.conf import BusSettings  # noqa: E402
from delivery.inbound import shared_stream  # noqa: E402
from delivery.inbound.api import messages  # noqa: E402
from events.log import sequencer  # noqa: E402
from tests.delivery.bus.effects import remember  # noqa: E402

PAUSE = 0.01
LENGTH = 1_000_000
"""Of streams: more events than any run has."""


def main(role: str) -> None:
    url = os.environ["BUS_ADDRESS"]
    if seconds := os.environ.get("BUS_IDLE_SECONDS"):
        stream_group.IDLE_SECONDS = int(seconds)
    while True:
        try:
            _run_once(role, url)
        except BusUnavailable:
            time.sleep(PAUSE)


def _run_once(role: str, url: str) -> None:
    now = timezone.now()
    if role == "sequencer":
        sequencer.run()
        time.sleep(PAUSE)
    elif role == "relay":
        bus = BusSettings(url=url, length=LENGTH, project_length=LENGTH)
        relay.run(StreamsBus(bus), at=now)
    elif role == "inbound":
        reader = shared_stream.reader("auth:users", parse=messages.parse_entry, at=now)
        consumer.run(reader, url=url, at=now)
    else:
        consumer.run(readers.of_log("test", remember), url=url, at=now)


if __name__ == "__main__":
    main(sys.argv[1])
