"""A worker of the web server ends when the process that started it has.

granian's workers share one listening socket. Killed without a word, the main process leaves them
serving, beside those of the next main process: old code and old settings would go on answering.
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
"""For the requests in hand, after the worker was told to stop."""


def end_with_parent() -> None:
    """Watch the parent from a thread of its own; without one, as in a shell, there is nothing to
    watch. Call it in the worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), name="orphan watch", daemon=True).start()


def _watch(parent: BaseProcess) -> None:
    parent.join()
    logger.warning("web_worker_orphaned")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
