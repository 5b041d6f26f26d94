"""The whole product on one machine: embedded servers and all processes, for `make up` and demos.

`python -m devtools.stack up` runs it in the foreground, `down` stops what is left of it.
"""

from devtools.stack.lock import AlreadyRunning
from devtools.stack.program import ProgramFailed
from devtools.stack.stack import Stack

__all__ = ["AlreadyRunning", "ProgramFailed", "Stack"]
