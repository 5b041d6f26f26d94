"""The whole product as processes: it starts, says what failed, and leaves nothing behind."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.embedded.place import home_of
from config.embedded.servers import Servers
from config.stack import AlreadyRunning, ProgramFailed, Stack
from config.stack.__main__ import down
from config.stack.mark import processes_of
from config.stack.program import Program
from tests.services import new_home

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys, time
from pathlib import Path
from config.stack import Stack
with Stack(Path(sys.argv[1])) as stack:
    print(stack.web_url, stack.sandbox_url, flush=True)
    time.sleep(60)
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
        yield process


def are_stopped(var: Path) -> bool:
    servers = Servers(home_of(var), durable=True)
    return not servers.postgres.is_running() and not servers.valkey.is_running()


def get(url: str, path: str) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_stack_serves_and_what_a_killed_one_left_is_stopped(var: Path) -> None:
    with starter(var) as process:
        assert process.stdout is not None
        web, sandbox = process.stdout.readline().split()
        assert get(web, "/ready") == 200
        assert get(web, "/api/docs") == 200
        assert get(sandbox, "/") == 200
        with pytest.raises(AlreadyRunning, match=f"process {process.pid} at {web}"), Stack(var):
            pass
        process.kill()

    programs = processes_of(var)
    assert len(programs) >= 6
    down(var)
    assert processes_of(var) == []
    assert are_stopped(var)


def test_stack_that_is_told_to_stop_while_it_starts_leaves_nothing(var: Path) -> None:
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
