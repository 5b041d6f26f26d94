"""Both servers together: any process may join, and the last one to leave stops them."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devtools.embedded.postgres import Postgres
from devtools.embedded.secret import read_or_create
from devtools.embedded.server import Server
from devtools.embedded.valkey import Valkey


class Servers:
    """PostgreSQL and Valkey under `home`.

    Each user holds a shared lock on `users.lock`, which the system releases when the process dies.
    `door.lock` lets only one process at a time start or stop the servers.
    """

    def __init__(self, home: Path, *, durable: bool) -> None:
        self.home = home
        password = read_or_create(home / "password", make=lambda: secrets.token_hex(16))
        self.postgres = Postgres(home, durable=durable, password=password)
        self.valkey = Valkey(home, durable=durable, password=password)
        self._held: IO[str] | None = None
        self._holder = 0

    def join(self) -> None:
        """Start both if needed and return when both answer; they keep running until `leave`."""
        with self._door():
            self._hold()
            try:
                self.postgres.start()
                self.valkey.start()
            except BaseException:
                self._let_go()
                raise

    def both(self) -> tuple[Server, Server]:
        return self.postgres, self.valkey

    def revive(self, server: Server) -> None:
        """Start one of them again on the same port, unless it runs. Raises ServerFailed."""
        with self._door():
            if not server.lives():
                server.restart()

    def leave(self) -> None:
        """Stop both unless another process uses them. Does nothing in a forked child."""
        if self._held is None or self._holder != os.getpid():
            return
        with self._door():
            self._let_go()

    def stop(self) -> None:
        """Stop both, even if other processes use them."""
        self.valkey.stop()
        self.postgres.stop()

    def discard(self) -> None:
        """Stop both and delete their data."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def urls(self) -> tuple[str, str]:
        """`(DATABASE_URL, REDIS_URL)`."""
        return self.postgres.url(), self.valkey.url()

    def are_abandoned(self) -> bool:
        """Whether they were used once, and no process uses or starts them now."""
        if not (self.home / "users.lock").exists():
            return False
        with (
            (self.home / "door.lock").open("a") as door,
            (self.home / "users.lock").open("a") as users,
        ):
            return _try_lock(door) and _try_lock(users)

    def _hold(self) -> None:
        if self._held is None:
            self._held = (self.home / "users.lock").open("a")
            self._holder = os.getpid()
            fcntl.flock(self._held, fcntl.LOCK_SH)

    def _let_go(self) -> None:
        """Release the lock; stop both if this was the last user. Call it while holding the door
        lock."""
        if self._held is None:
            return
        is_last = _try_lock(self._held)
        self._held.close()
        self._held = None
        if is_last:
            self.stop()

    @contextmanager
    def _door(self) -> Iterator[None]:
        with (self.home / "door.lock").open("a") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
