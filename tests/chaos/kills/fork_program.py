"""``python -m tests.chaos.kills.fork_program``: starts processes of the product in milliseconds.

It has loaded the product once, and forks for each line of JSON on its standard input; the answer is
the new process's id. When its input ends, it kills those that are left.
"""

import json
import os
import signal
import sys
from typing import Any

import django
import psutil

django.setup()

from tests.chaos.kills.roles import play  # noqa: E402  # Django is set up first
from tests.chaos.kills.steps import send_self_at  # noqa: E402


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _become(json.loads(line))
        print(pid, flush=True)  # noqa: T201
    for child in psutil.Process().children(recursive=True):
        child.kill()


def _become(request: dict[str, Any]) -> None:
    """Do what was requested, in this child, until it dies."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        if request["step"]:
            send_self_at(request["step"], request["signal"])
        play(request["role"], request["argument"])
    except BaseException:  # noqa: BLE001  # the child must end here
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
