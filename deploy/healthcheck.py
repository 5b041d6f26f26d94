"""Exit 0 when what this container runs is at work.

A web server answers that it lives. A worker and beat touch a file every few seconds, which
LIVENESS_FILE names (common/liveness.py). Neither asks the database or Redis: a process whose
services are away is no healthier after a restart.
"""

import http.client
import os
import sys
import time
from http import HTTPStatus
from pathlib import Path

OLDEST_SECONDS = 60.0


def touched_lately(path: str) -> bool:
    try:
        return time.time() - Path(path).stat().st_mtime < OLDEST_SECONDS
    except FileNotFoundError:
        return False


def answers() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["GRANIAN_PORT"]), timeout=2)
    host = os.environ["ALLOWED_HOSTS"].split(",")[0]
    try:
        connection.request("GET", "/live", headers={"Host": host})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    liveness_file = os.environ.get("LIVENESS_FILE")
    sys.exit(0 if (touched_lately(liveness_file) if liveness_file else answers()) else 1)
