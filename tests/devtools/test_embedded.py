"""Embedded servers are shared, durable, distinguished from strangers, and stopped in the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from devtools.embedded.place import home_outside, lets_everybody_in
from devtools.embedded.servers import Servers
from devtools.embedded.valkey import Valkey
from devtools.processes import Identity, end, free_port, is_free
from tests.services import new_home, sweep

ROOT = Path(__file__).resolve().parents[2]
JOIN = """
import sys, time
from pathlib import Path
from devtools.embedded.servers import Servers
servers = Servers(Path(sys.argv[1]), durable=False)
servers.join()
print(servers.postgres.url(), servers.valkey.url(), flush=True)
time.sleep(60)
"""

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""

NewUser = Callable[..., Servers]


@pytest.fixture
def home() -> Iterator[Path]:
    home = new_home()
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def user(home: Path) -> Iterator[NewUser]:
    """Make another user of the servers in `home`."""
    users: list[Servers] = []

    def new_user(*, durable: bool = False) -> Servers:
        users.append(Servers(home, durable=durable))
        return users[-1]

    yield new_user
    for one in users:
        one.leave()
        one.discard()


@pytest.fixture
def valkey(home: Path) -> Iterator[Valkey]:
    server = Valkey(home, durable=True, password="pw")
    yield server
    server.stop()


def processes(servers: Servers) -> list[Identity]:
    """PostgreSQL and Valkey, as they introduce themselves."""
    with psycopg.connect(servers.postgres.url()) as connection:
        row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    assert row is not None
    with redis.Redis.from_url(servers.valkey.url()) as client:
        valkey = int(client.info("server")["process_id"])
    return [Identity.of(psutil.Process(pid)) for pid in (int(row[0].split()[0]), valkey)]


def start_and_kill_a_user(home: Path) -> tuple[str, ...]:
    """The addresses of servers whose only user was killed."""
    command = [sys.executable, "-c", JOIN, str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        urls = tuple(process.stdout.readline().split())
        process.kill()
    return urls


def test_a_second_user_shares_the_servers_and_the_last_one_stops_them(user: NewUser) -> None:
    first, second = user(), user()
    first.join()
    second.join()
    running = processes(first)

    assert second.urls() == first.urls()
    first.leave()
    assert processes(second) == running
    second.leave()
    assert [identity.process() for identity in running] == [None, None]


def test_the_log_of_a_failed_statement_holds_no_parameters(home: Path, user: NewUser) -> None:
    servers = user()
    servers.join()
    with psycopg.connect(servers.postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE people (email text PRIMARY KEY)")
        for _ in range(2):
            with suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO people VALUES ('ada@example.com')")
    log = (home / "postgres.log").read_text()
    assert "people_pkey" in log
    assert "ada@" not in log


def test_parallel_starts_share_one_server(user: NewUser) -> None:
    users = [user() for _ in range(4)]
    threads = [threading.Thread(target=one.join) for one in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({one.urls() for one in users}) == 1
    for one in users:
        one.leave()
    assert not users[0].postgres.is_running()
    assert not users[0].valkey.is_running()


def test_data_survives_a_restart(user: NewUser) -> None:
    servers = user(durable=True)
    servers.join()
    with psycopg.connect(servers.postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('émigré')")
    with redis.Redis.from_url(servers.valkey.url()) as client:
        client.set("kept", "yes")
    servers.leave()

    servers.join()
    with psycopg.connect(servers.postgres.url()) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("émigré",)]
    with redis.Redis.from_url(servers.valkey.url()) as client:
        assert client.get("kept") == b"yes"


def test_servers_of_a_killed_user_are_found_again(home: Path, user: NewUser) -> None:
    urls = start_and_kill_a_user(home)

    servers = user()
    assert servers.are_abandoned()
    servers.join()
    assert servers.urls() == urls
    assert not servers.are_abandoned()


def test_sweep_stops_what_a_killed_test_run_left_and_nothing_else(user: NewUser) -> None:
    left = new_home()
    start_and_kill_a_user(left)
    abandoned = processes(Servers(left, durable=False))
    mine = user()
    mine.join()

    sweep()

    assert not left.exists()
    assert [identity.process() for identity in abandoned] == [None, None]
    assert mine.postgres.is_running()
    assert mine.valkey.is_running()


def test_crashed_postgres_comes_back_with_its_data(user: NewUser) -> None:
    servers = user(durable=True)
    servers.join()
    with psycopg.connect(servers.postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    os.kill(processes(servers)[0].pid, signal.SIGKILL)

    servers.join()
    with psycopg.connect(servers.postgres.url()) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_frozen_valkey_is_replaced(valkey: Valkey) -> None:
    valkey.start()
    with redis.Redis.from_url(valkey.url()) as client:
        frozen = Identity.of(psutil.Process(client.info("server")["process_id"]))
    os.kill(frozen.pid, signal.SIGSTOP)

    valkey.patience = 0.2
    valkey.start()

    assert frozen.process() is None
    with redis.Redis.from_url(valkey.url()) as client:
        assert client.ping()


def test_a_port_of_another_program_is_not_used(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Valkey(tmp_path, durable=False, password="pw")
    stranger.start()
    ports = iter([stranger.port, free_port()])
    monkeypatch.setattr("devtools.embedded.server.free_port", lambda: next(ports))

    valkey.start()

    assert valkey.port != stranger.port
    stranger.stop()
    assert valkey.is_running()


def test_stopping_reaches_a_process_that_ignores_requests() -> None:
    deaf = psutil.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    deaf.stdout.readline()
    deaf.stdout.close()

    end(deaf, patience=0.1)

    assert deaf.returncode == -signal.SIGKILL


def test_reused_process_number_is_another_process() -> None:
    me = psutil.Process()
    assert Identity.of(me).process() == me
    assert Identity(pid=me.pid, started=me.create_time() - 60).process() is None


def test_a_zombie_process_is_not_alive() -> None:
    child = psutil.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    identity = Identity.of(child)
    while child.status() != psutil.STATUS_ZOMBIE:
        pass
    assert identity.process() is None
    child.wait()


def test_port_in_use_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_free(listener.getsockname()[1])


def test_a_directory_inside_a_private_one_is_private() -> None:
    outer = new_home()
    inner = outer / "checkout"
    inner.mkdir(mode=0o755)
    assert lets_everybody_in(inner)
    outer.chmod(0o700)
    assert not lets_everybody_in(inner)
    inner.rmdir()
    outer.rmdir()


def test_home_outside_the_checkout_is_always_the_same_and_announced_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkout = Path("/root/checkout")
    home = home_outside(checkout, elsewhere=tmp_path)

    assert home.parent == tmp_path
    assert home_outside(checkout, elsewhere=tmp_path) == home
    assert home_outside(Path("/root/other"), elsewhere=tmp_path) != home
    assert caplog.text.count(str(home)) == 1


def test_an_outside_home_prepared_by_another_user_is_refused(tmp_path: Path) -> None:
    home = home_outside(Path("/root/checkout"), elsewhere=tmp_path)
    home.rmdir()
    home.symlink_to(tmp_path)

    with pytest.raises(PermissionError, match="belongs to somebody else"):
        home_outside(Path("/root/checkout"), elsewhere=tmp_path)
