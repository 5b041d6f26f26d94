"""Ends a worker of the web server when its parent process has ended.

granian's workers share one listening socket. When the main process is killed, its workers would go
on serving beside those of the next main process, with old code and old settings.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.process import BaseProcess

logger = logging.getLogger(__name__)

GRACE_SECONDS = 30.0
"""Time for current requests after the worker was told to stop."""


def end_with_parent() -> None:
    """Watch the parent process in a thread; do nothing without a parent. Call it in the worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), name="orphan watch", daemon=True).start()


def _watch(parent: BaseProcess) -> None:
    parent.join()
    logger.warning("web_worker_orphaned")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
