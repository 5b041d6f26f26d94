"""A file that a process without a port touches while it works.

The container's health check (deploy/healthcheck.py) compares its age. No other service is checked:
a restart does not help a worker whose database is away.
"""

import os
from contextlib import suppress
from pathlib import Path

VARIABLE = "LIVENESS_FILE"


def touch_liveness_file() -> None:
    """Touch the file that the environment variable names; do nothing without the variable.

    A file that cannot be touched gets old, so the health check fails.
    """
    path = os.environ.get(VARIABLE)
    if path:
        with suppress(OSError):
            Path(path).touch()
