"""The local stack starts, restarts failing programs, and leaves no process behind."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from devtools.embedded.place import home_of
from devtools.embedded.servers import Servers
from devtools.stack import AlreadyRunning, ProgramFailed, Stack
from devtools.stack.__main__ import down, up
from devtools.stack.mark import processes_of
from devtools.stack.program import Program
from devtools.stack.readiness import accepts
from devtools.stack.supervision import Watch
from tests.services import lay_migrated_database, new_home
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys, time
from pathlib import Path
from devtools.stack import Stack
from devtools.stack.__main__ import say
with Stack(Path(sys.argv[1])) as stack:
    print(stack.web_url, stack.sandbox_url, stack.rpc_port, flush=True)
    while True:
        stack.supervise(say)
        time.sleep(0.1)
"""


@pytest.fixture
def var(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for a stack with servers of its own, not those of this test run."""
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    var = new_home()
    yield var
    Servers(home_of(var), durable=True).discard()
    shutil.rmtree(var)


@contextmanager
def starter(var: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that runs the stack."""
    command = [sys.executable, "-c", RUN, str(var)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def are_stopped(var: Path) -> bool:
    servers = Servers(home_of(var), durable=True)
    return not servers.postgres.is_running() and not servers.valkey.is_running()


def get(url: str, path: str) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_stack_serves_and_stops_processes_of_a_killed_one(var: Path) -> None:
    lay_migrated_database(home_of(var))
    with starter(var) as process:
        assert process.stdout is not None
        web, sandbox, rpc_port = process.stdout.readline().split()
        assert get(web, "/ready") == 200
        assert accepts(int(rpc_port))
        assert get(web, "/api/docs") == 200
        assert get(sandbox, "/") == 200
        with pytest.raises(AlreadyRunning, match=f"process {process.pid} at {web}"), Stack(var):
            pass
        process.kill()

    programs = processes_of(var)
    assert len(programs) >= 7
    down(var)
    assert processes_of(var) == []
    assert are_stopped(var)


def test_up_on_older_data_names_the_command_to_run(
    var: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    servers = Servers(home_of(var), durable=True)
    servers.join()
    with psycopg.connect(servers.postgres.url()) as connection:
        connection.execute("CREATE TABLE events_outboxevent (id varchar(30) PRIMARY KEY)")
    servers.leave()

    assert up(var) == 1

    error = capfd.readouterr().err
    assert "created by an older version of Tollgate" in error
    assert "make up      run `make clean`, which deletes the data in var/ for good" in error
    assert "Traceback" not in error
    assert processes_of(var) == []
    assert are_stopped(var)


def main_of(var: Path, program: str) -> psutil.Process:
    """The process that the stack itself has started."""
    processes = processes_of(var, program)
    pids = {process.pid for process in processes}
    (main,) = [process for process in processes if process.ppid() not in pids]
    return main


def workers_of(main: psutil.Process) -> list[psutil.Process]:
    """Its living children."""
    children = main.children()
    return [each for each in children if each.status() != psutil.STATUS_ZOMBIE]


def serves(url: str, path: str = "/ready") -> bool:
    try:
        return get(url, path) == 200
    except (OSError, http.client.HTTPException):
        return False


def checks(web: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(web.removeprefix("http://"), timeout=PATIENCE)
    try:
        connection.request("GET", "/health")
        return dict(json.loads(connection.getresponse().read())["checks"])
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()


def beat_after(web: str, moment: float) -> bool:
    """Whether beat, broker and worker have worked together since."""
    pipeline = checks(web).get("pipeline", {})
    return bool(time.monotonic() - pipeline.get("seconds", PATIENCE) > moment)


def test_a_killed_program_is_started_again(var: Path) -> None:
    """One by one and all together; an orphan serves nobody beside its successor."""
    lay_migrated_database(home_of(var))
    with starter(var) as stack:
        assert stack.stdout is not None
        web, sandbox, _ = stack.stdout.readline().split()
        main = main_of(var, "web")
        victim, other = workers_of(main)
        victim.kill()
        wait_until(lambda: len(workers_of(main)) == 2 and serves(web), "a web worker")
        assert main_of(var, "web") == main

        orphans = {main, *workers_of(main)}
        assert other in orphans
        main.kill()
        wait_until(lambda: not orphans & {*processes_of(var, "web")}, "the end of the orphans")
        wait_until(lambda: serves(web), "the web server")

        servers = Servers(home_of(var), durable=True)
        for program in ("sandbox", "worker", "beat"):
            main_of(var, program).kill()
        killed = time.monotonic()
        for server in servers.both():
            os.kill(json.loads((servers.home / f"{server.name}.json").read_text())["pid"], 9)
        wait_until(lambda: serves(web), "PostgreSQL")
        wait_until(lambda: serves(sandbox, "/"), "the sandbox")
        wait_until(lambda: beat_after(web, killed), "Valkey, the worker and beat")
        assert stack.poll() is None
        stack.send_signal(signal.SIGTERM)
        output = stack.stdout.read()
    for name in ("web", "sandbox", "worker", "beat", "postgres", "valkey"):
        assert f"{name} was ended by SIGKILL. It is restarted (1 of 5)." in output or (
            f"{name} ended. It is restarted (1 of 5)." in output
        )
    assert processes_of(var) == []
    assert are_stopped(var)


def test_a_stack_stopped_while_starting_leaves_no_process(var: Path) -> None:
    with starter(var) as process:
        while not (var / "embedded" / "valkey.json").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)

    assert process.returncode != 0
    assert processes_of(var) == []
    assert are_stopped(var)


def test_program_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no more disk'); raise SystemExit(3)"]
    program = Program("worker", command, tmp_path / "worker.log", lambda: False)
    program.start(environment=dict(os.environ), directory=tmp_path)
    assert program.process is not None
    program.process.wait()

    with pytest.raises(ProgramFailed) as failure:
        program.check()
    assert "worker ended with exit code 3" in str(failure.value)
    assert "no more disk" in str(failure.value)


def test_a_program_that_keeps_ending_is_given_up_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no more disk'); raise SystemExit(3)"]
    program = Program("worker", command, tmp_path / "worker.log", lambda: False)
    starts = 0

    def start() -> None:
        nonlocal starts
        starts += 1
        program.start(environment=dict(os.environ), directory=tmp_path, is_restart=starts > 1)
        assert program.process is not None
        program.process.wait()

    watch, lines = Watch.of_program(program, start), list[str]()
    start()
    for second in range(5):
        watch.look(lines.append, now=float(60 * second))
        watch.look(lines.append, now=float(60 * second + 59))
    with pytest.raises(ProgramFailed) as failure:
        watch.look(lines.append, now=299.0)
    assert starts == 6
    assert lines == [
        f"worker ended with exit code 3. It is restarted ({count} of 5)." for count in range(1, 6)
    ]
    assert "restarted 5 times within 300 s: giving up" in str(failure.value)
    assert str(failure.value).count("no more disk") == 6


def test_a_program_that_ends_rarely_is_always_started_again() -> None:
    restarts, lines = list[bool](), list[str]()
    ended = [True]

    def restart() -> None:
        restarts.append(ended[0])
        ended[0] = False

    watch = Watch("beat", Path(), ended=lambda: "ended" if ended[0] else None, restart=restart)
    for minute in range(30):
        ended[0] = True
        watch.look(lines.append, now=61.0 * minute)
        watch.look(lines.append, now=61.0 * minute + 30)
    assert len(restarts) == len(lines) == 30
