"""A relay or a consumer as a process of its own, on the test's database, that a test may kill."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection, transaction

from tests.services import ROOT


@contextmanager
def process(role: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Killed at the end of the block at the latest."""
    at = connection.settings_dict
    database = f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.delivery.bus.bus_program", role],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database, "BUS_ADDRESS": settings.BUS.url},
        stdin=subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@contextmanager
def no_writes(table: str) -> Iterator[None]:
    """Within the block, whoever writes the table waits. Rows may be read and locked."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', '60s', true)")
        cursor.execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield
