"""``python -m …bus_program relay|consumer|inbound``, with DATABASE_URL and BUS_ADDRESS."""

import os
import sys

import django

django.setup()

from django.utils import timezone  # noqa: E402  # Django is set up first

from delivery.bus import consumer, readers, relay  # noqa: E402
from delivery.bus.streams import StreamsBus  # noqa: E402
from delivery.conf import BusSettings  # noqa: E402
from delivery.inbound import shared_stream  # noqa: E402
from delivery.inbound.api import messages  # noqa: E402
from tests.delivery.bus.effects import remember  # noqa: E402


def main(role: str) -> None:
    url = os.environ["BUS_ADDRESS"]
    while True:
        if role == "relay":
            relay.run(StreamsBus(BusSettings(url=url)), at=timezone.now())
        elif role == "inbound":
            now, parse = timezone.now(), messages.parse_entry
            reader = shared_stream.reader("auth:users", parse=parse, at=now)
            consumer.run(reader, url=url, at=now)
        else:
            consumer.run(readers.of_log("test", remember), url=url, at=timezone.now())


if __name__ == "__main__":
    main(sys.argv[1])
