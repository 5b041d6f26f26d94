"""A process that forks while a thread of it reads the instruments, for tests:
`python -m tests.monitoring.forking_process`. Exit code 0 if the child can read them."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable

import django

from tests.waiting import PATIENCE

READING_SECONDS = 0.5


def main() -> int:
    django.setup()
    from prometheus_client.metrics_core import Metric  # noqa: PLC0415  # Django is set up now

    from common.process_metrics import REGISTRY, CallbackCollector, shipper  # noqa: PLC0415

    lock, is_read = threading.Lock(), threading.Event()

    def read_slowly() -> Iterable[Metric]:
        with lock:
            is_read.set()
            time.sleep(READING_SECONDS)
        return []

    REGISTRY.register(CallbackCollector(read_slowly))
    is_read.clear()
    thread = threading.Thread(target=shipper.ship)
    thread.start()
    is_read.wait()
    child = os.fork()
    if not child:
        os._exit(0 if lock.acquire(timeout=0) else 1)
    thread.join()
    return wait_for_end(child)


def wait_for_end(child: int) -> int:
    """The child's exit code. One that hangs is killed."""
    timer = threading.Timer(PATIENCE, os.kill, (child, signal.SIGKILL))
    timer.start()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
