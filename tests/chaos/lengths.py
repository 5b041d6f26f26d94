"""How long chaos lasts: short in `make test`, long in `make chaos`, which sets the variables."""

import os

HISTORIES = int(os.environ.get("TOLLGATE_HISTORIES", "200"))
KILLS = int(os.environ.get("TOLLGATE_KILLS", "4"))
"""Of each process that is killed, in each of its runs."""
READERS = int(os.environ.get("TOLLGATE_READERS", "60"))
"""Who wait for events in one process of the web server."""
