"""A pytest plugin for PgBouncer: the tests marked `pgbouncer` run Debian's with our configuration.

Where there is none they are left out, and the report says so and how to get it. With
``DATABASE_POOLER=transaction`` in the environment, `tests.services` runs any test behind it:
``DATABASE_POOLER=transaction .venv/bin/pytest tests/projects``.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from devtools.embedded.place import account
from devtools.processes import end, free_port

CONFIGURATION = Path(__file__).resolve().parents[1] / "deploy" / "pgbouncer" / "pgbouncer.ini"
SESSIONS = 3
"""Sessions of PostgreSQL for each database. Transactions take them in turns, so that two that
follow each other are never in the same session."""
START_SECONDS = 20.0


def executable() -> str | None:
    """The path of the system's PgBouncer, if there is one."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def configuration(*, database_url: str, port: int, users: Path) -> str:
    """Our configuration, with the addresses of this machine, and sessions in turns."""
    server = urlsplit(database_url)
    text = CONFIGURATION.read_text()
    for ours, here in (
        ("host=127.0.0.1 port=5432", f"host={server.hostname} port={server.port}"),
        ("listen_port = 6432", f"listen_port = {port}"),
        ("/etc/pgbouncer/userlist.txt", str(users)),
        (
            "default_pool_size = 20",
            f"default_pool_size = {SESSIONS}\nmin_pool_size = {SESSIONS}\nserver_round_robin = 1",
        ),
    ):
        assert text.count(ours) == 1, ours
        text = text.replace(ours, here)
    return text


@contextmanager
def pooler(home: Path, *, database_url: str) -> Iterator[str]:
    """PgBouncer in front of the server of this URL; yields the URL through it. ``home`` is a
    directory that PostgreSQL's account can enter: PgBouncer refuses to run as root, too."""
    server, port = urlsplit(database_url), free_port()
    users, settings = home / "pgbouncer-users.txt", home / "pgbouncer.ini"
    users.write_text(f'"{server.username}" "{server.password}"\n')
    settings.write_text(configuration(database_url=database_url, port=port, users=users))
    for path in (users, settings):
        path.chmod(0o600)
        _give(path)
    with (home / "pgbouncer.log").open("wb") as log:
        process = psutil.Popen(
            [str(executable()), str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            **account(),
        )
    try:
        url = f"{database_url.rpartition('@')[0]}@127.0.0.1:{port}{server.path}"
        _wait(process, url, home / "pgbouncer.log")
        yield url
    finally:
        end(process, patience=5)


def _give(path: Path) -> None:
    chosen = account()
    if chosen:
        os.chown(path, chosen["user"], chosen["group"])


def _wait(process: psutil.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise pytest.UsageError(f"PgBouncer: {error}\n{log.read_text()}") from error
            time.sleep(0.05)
        else:
            return


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if executable():
        return
    without = [item for item in items if item.get_closest_marker("pgbouncer")]
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if executable() is None:
        terminalreporter.section("not run: no PgBouncer on this machine")
        terminalreporter.line("tests/server/test_pgbouncer.py")
        terminalreporter.line("To run it, install it (Debian: apt-get install pgbouncer).")
