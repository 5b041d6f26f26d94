"""Both servers as one: any process may join, and the last one to leave stops them."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devtools.embedded.postgres import Postgres
from devtools.embedded.secret import kept
from devtools.embedded.server import Server
from devtools.embedded.valkey import Valkey


class Servers:
    """PostgreSQL and Valkey under `home`.

    Who uses them holds a shared lock on `users.lock`; the system drops it when a process dies,
    however it dies. `door.lock` lets one process at a time start or stop them.
    """

    def __init__(self, home: Path, *, durable: bool) -> None:
        self.home = home
        password = kept(home / "password", make=lambda: secrets.token_hex(16))
        self.postgres = Postgres(home, durable=durable, password=password)
        self.valkey = Valkey(home, durable=durable, password=password)
        self._held: IO[str] | None = None
        self._holder = 0

    def join(self) -> None:
        """Return when both answer; they keep running at least until `leave`."""
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
        """Start one of them again where it was, unless it runs. Raises ServerFailed."""
        with self._door():
            if not server.lives():
                server.restart()

    def leave(self) -> None:
        """Stop both unless somebody else uses them. A forked child has nothing to leave."""
        if self._held is None or self._holder != os.getpid():
            return
        with self._door():
            self._let_go()

    def stop(self) -> None:
        """Stop both, whoever uses them."""
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
        """Whether they were joined once and nobody uses or starts them now."""
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
        """Behind the door: nobody can join while this looks whether somebody is left."""
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
