"""``python -m config.serve``: granian, which forks its processes after the code is loaded.

Takes granian's arguments and its ``GRANIAN_*`` variables. The processes share the memory of the
code, and one that replaces another serves at once. A new version needs a new main process: SIGHUP
replaces the processes, not their code.
"""

import multiprocessing
import runpy
import sys
from importlib import import_module
from importlib.util import find_spec

from django.urls import resolve

from common import garbage


def load_code() -> None:
    """Load what requests need: all views, and the schema of GraphQL. Starts nothing, because a fork
    would lack its threads and share its connections."""
    import_module("config.wsgi")  # sets Django up, which the rest needs
    import_module("config.server.application")
    resolve("/live")
    if find_spec("strawberry") is not None:  # requirements/graphql.in is installed
        import_module("graph_api.answers")
    garbage.begin_serving()


if __name__ == "__main__":
    if sys.platform == "linux":  # elsewhere a fork is not safe, and each process loads its code
        multiprocessing.set_start_method("fork")
        load_code()
    runpy.run_module("granian", run_name="__main__", alter_sys=True)
