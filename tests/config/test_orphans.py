"""Workers of the web server end with its main process."""

import subprocess
import sys
from pathlib import Path

import psutil

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import multiprocessing, os, time
def work():
    from config.orphans import end_with_parent
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(60)
fork = multiprocessing.get_context("fork")
for _ in range(2):
    fork.Process(target=work).start()
time.sleep(60)
"""


def test_workers_end_with_the_process_that_started_them() -> None:
    """However it ended: it had no time to tell them."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        assert all(each.is_running() for each in workers)
        parent.kill()
    wait_until(lambda: not any(each.is_running() for each in workers))
