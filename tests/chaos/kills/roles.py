"""What a process does until it is killed."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from delivery.bus import consumer as bus_consumer
from delivery.bus import readers, stream_group
from delivery.bus import relay as bus_relay
from delivery.bus.bus import BusUnavailable
from delivery.bus.readers import StreamReader
from delivery.bus.streams import StreamsBus
from delivery.conf import BusSettings, TemporalSettings
from delivery.inbound import shared_stream
from delivery.inbound.api import messages
from delivery.mail import planner as mail_planner
from delivery.mail import sender as mail_sender
from delivery.signals import planner as signal_planner
from delivery.signals import sender as signal_sender
from delivery.signals import temporal
from events.log import sequencer as log_sequencer
from tests.delivery.bus.effects import remember
from tests.delivery.mail.notices import NOW

LOADED = (temporal,)
"""What a role imports only when it is needed: once here, for all forks."""
INBOUND_STREAM = "auth:users"
LENGTH = 100_000
"""Entries of a stream: more than any run has."""
IDLE_SECONDS = 1
PAUSE_SECONDS = 0.005
"""Between two runs."""


def sequencer(_: str) -> None:
    log_sequencer.run()


def relay(url: str) -> None:
    bus = StreamsBus(BusSettings(url=url, length=LENGTH, project_length=LENGTH))
    bus_relay.run(bus, at=timezone.now())


def consumer(url: str) -> None:
    reader = readers.of_log("test", remember)
    _read(reader, url, at=timezone.now())


def inbound(url: str) -> None:
    now = timezone.now()
    reader = shared_stream.reader(INBOUND_STREAM, parse=messages.parse_entry, at=now)
    _read(reader, url, at=now)


def _read(reader: StreamReader, url: str, *, at: datetime) -> None:
    """One round. What a dead process was given is taken over soon."""
    stream_group.IDLE_SECONDS = IDLE_SECONDS
    with suppress(BusUnavailable):
        bus_consumer.run(reader, url=url, at=at, is_blocking=False)


def mail(port: str) -> None:
    settings.EMAIL_BACKEND = "delivery.mail.smtp.TrackedSmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", int(port)
    mail_planner.run(at=NOW)
    mail_sender.run(at=NOW)


def signals(address: str) -> None:
    settings.TEMPORAL = TemporalSettings(address=address)
    signal_planner.run(at=NOW)
    signal_sender.run(at=NOW)


def webhooks(_: str) -> None:
    call_command("deliver")


ROLES: dict[str, Callable[[str], None]] = {
    each.__name__: each for each in (sequencer, relay, consumer, inbound, mail, signals, webhooks)
}


def play(role: str, argument: str) -> None:
    """Run until the process is killed."""
    while True:
        ROLES[role](argument)
        time.sleep(PAUSE_SECONDS)
