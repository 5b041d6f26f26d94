"""The web server loads its code before it forks, and starts nothing that a fork would lack."""

import json
import subprocess
import sys

LOOK = """
import json, sys, threading
import psutil
from config.serve import load_code
load_code()
import gc
from django.db import connections
process = psutil.Process()
print(json.dumps({
    "threads": process.num_threads(),
    "python_threads": [each.name for each in threading.enumerate()],
    "sockets": len(process.net_connections()),
    "database": [each.alias for each in connections.all() if each.connection is not None],
    "views": "billing.payments.api.payments" in sys.modules,
    "frozen": gc.get_freeze_count() > 100_000,
}))
"""


def test_loading_opens_no_connection_and_starts_no_thread() -> None:
    run = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == {
        "threads": 1,
        "python_threads": ["MainThread"],
        "sockets": 0,
        "database": [],
        "views": True,
        "frozen": True,
    }
