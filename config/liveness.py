"""A file that a process without a port touches while it works.

The container's health check (deploy/healthcheck.py) looks at its age. No other service is asked:
a worker whose database is away is no healthier after a restart.
"""

import os
from contextlib import suppress
from pathlib import Path

VARIABLE = "LIVENESS_FILE"


def touch_liveness_file() -> None:
    """Touch the file that the environment names; without the variable there is none.

    A file that cannot be touched grows old, and that is seen.
    """
    path = os.environ.get(VARIABLE)
    if path:
        with suppress(OSError):
            Path(path).touch()
