"""Server processes are replaced without failed requests: by a reload (SIGHUP), and by a new server
on the same port."""

import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.server.proxy import proxy
from tests.server.web_server import request, web_server

PAUSE_SECONDS = 0.01
"""Between two requests: the server needs the processor to start its new processes."""

pytestmark = [pytest.mark.nginx, pytest.mark.django_db(transaction=True)]


def parent_of_the_server(port: int) -> psutil.Process:
    """The process that takes signals, by the port in its command."""
    (parent,) = (
        each
        for each in psutil.Process().children()
        if {"config.serve", str(port)} <= set(each.cmdline())
    )
    return parent


def test_idempotent_requests_are_answered_during_a_reload(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    statuses: Counter[int] = Counter()
    with web_server(tmp_path / "web.log") as server, proxy(tmp_path, upstream=server) as port:
        parent = parent_of_the_server(server)
        old = {each.pid for each in parent.children()}
        parent.send_signal(signal.SIGHUP)
        while old & {each.pid for each in parent.children()}:
            statuses[request(port, "GET", "/live").status] += 1
            time.sleep(PAUSE_SECONDS)
        statuses.update(request(port, "GET", "/live").status for _ in range(50))
    assert statuses.keys() == {200}
    assert statuses[200] > 50


def test_a_new_server_takes_the_port_over(tmp_path: Path) -> None:
    """The old one ends after it has been told to, and only the new one answers then."""
    tmp_path.chmod(0o755)
    statuses: Counter[int] = Counter()
    with (
        web_server(tmp_path / "old.log") as server,
        proxy(tmp_path, upstream=server) as port,
    ):
        old = parent_of_the_server(server)
        with web_server(tmp_path / "new.log", port=server):
            old.send_signal(signal.SIGTERM)
            while old.status() != psutil.STATUS_ZOMBIE:
                statuses[request(port, "GET", "/live").status] += 1
                time.sleep(PAUSE_SECONDS)
            statuses.update(request(port, "GET", "/live").status for _ in range(50))
    assert statuses.keys() == {200}
    assert statuses[200] > 50


def test_processes_share_the_memory_of_the_code(tmp_path: Path) -> None:
    """The main process loads it and forks them, without a thread that a fork would lack."""
    with web_server(tmp_path / "web.log") as server:
        parent = parent_of_the_server(server)
        workers = parent.children()
        private = [each.memory_full_info().uss / 2**20 for each in workers]
        code = parent.memory_full_info().rss / 2**20
    assert len(workers) == 2
    assert code > 100, "MiB with everything loaded"
    assert max(private) < 0.5 * code
