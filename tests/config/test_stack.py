"""The whole product as processes: it starts, says what failed, and leaves nothing behind."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.place import home_of
from config.embedded.servers import Servers
from config.stack import AlreadyRunning, ProgramFailed, Stack
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
    for path in sorted(var.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    var.rmdir()


def start(var: Path) -> tuple["subprocess.Popen[str]", list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(var)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()


def get(url: str, path: str) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_stack_serves_then_leaves_no_process_then_recovers_from_a_kill(var: Path) -> None:
    process, urls = start(var)
    with process:
        web, sandbox = urls
        assert get(web, "/ready") == 200
        assert get(web, "/api/docs") == 200
        assert get(sandbox, "/") == 200
        assert len(processes_of(var)) >= 6
        with pytest.raises(AlreadyRunning, match=f"process {process.pid} at {web}"):
            Stack(var).__enter__()
        process.kill()
    assert processes_of(var)

    process, urls = start(var)
    with process:
        assert get(urls[0], "/ready") == 200
        process.send_signal(signal.SIGTERM)
    assert processes_of(var) == []
    servers = Servers(home_of(var), durable=True)
    assert not servers.postgres.is_running()
    assert not servers.valkey.is_running()
    assert (var / "sandbox.sqlite3").exists()


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
