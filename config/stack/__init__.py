"""The whole product on one machine: servers from wheels and every process, for `make up` and demos.

`python -m config.stack up` keeps it running in the foreground, `down` stops what is left of it.
"""

from config.stack.lock import AlreadyRunning
from config.stack.program import ProgramFailed
from config.stack.stack import Stack

__all__ = ["AlreadyRunning", "ProgramFailed", "Stack"]
