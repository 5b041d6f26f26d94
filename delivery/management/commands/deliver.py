"""``manage.py deliver``: send outgoing webhooks until a stop signal."""

import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from common import heartbeats
from common.context import CauseType, caused_by
from common.liveness import touch_liveness_file
from common.process_metrics import shipper
from delivery.sender.process import SenderProcess
from delivery.webhooks.dispatcher import Dispatcher, sender_options

BEAT_SECONDS = 5.0
WAIT_SECONDS = 0.02


class Command(BaseCommand):
    help = (
        "Send outgoing webhooks. Run one or more; each endpoint is with one of them at a time. "
        "SIGTERM and SIGINT end it after what is in flight."
    )
    requires_system_checks = []  # they load all views, which only web processes need

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--stop-seconds",
            type=float,
            default=16.0,
            help="How long requests in flight may last after a stop signal (default: 16).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with caused_by(CauseType.CLOCK, "deliver"), SenderProcess(sender_options()) as sender:
            shipper.start("deliver")
            dispatcher = Dispatcher(sender)
            self._run(dispatcher, stop)
            self._finish(dispatcher, options["stop_seconds"])
            shipper.stop()
        connections.close_all()

    def _run(self, dispatcher: Dispatcher, stop: threading.Event) -> None:
        beat_at = 0.0
        while not stop.is_set():
            dispatcher.tick(at=timezone.now(), wait=WAIT_SECONDS)
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + BEAT_SECONDS
                _beat()

    def _finish(self, dispatcher: Dispatcher, seconds: float) -> None:
        """Send nothing new; store what comes back in time."""
        deadline = time.monotonic() + seconds
        while dispatcher.has_in_flight and time.monotonic() < deadline:
            dispatcher.collect(at=timezone.now(), wait=WAIT_SECONDS)
        dispatcher.stop(at=timezone.now())


def _beat() -> None:
    touch_liveness_file()
    try:
        heartbeats.beat(name=heartbeats.DISPATCHER, at=timezone.now())
    except (DatabaseError, InterfaceError):
        return  # it comes back; the file says that this process works
