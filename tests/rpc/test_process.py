"""``python -m rpc`` as a process: it serves, ends without a lost call, and speaks TLS."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
import psycopg
import pytest
from django.conf import settings
from django.db import connection

from devtools.processes import end, free_port
from devtools.stack.programs import rpc as command_of
from devtools.stack.readiness import accepts
from projects.models import Project
from tests.factories.projects import key_of
from tests.rpc.rpc_server import RpcClient
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def rpc_process(log: Path) -> Iterator[tuple[psutil.Popen, int]]:
    """The process that the stack starts, once it serves, and its port."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "STRIPE_SECRET_KEY": settings.BILLING.stripe_secret_key,
    }
    with log.open("wb") as out:
        process = psutil.Popen(
            command_of(port),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:

        def is_up() -> bool:
            assert process.poll() is None, log.read_text()
            return accepts(port)

        wait_until(is_up, log.read_text)
        yield process, port
    finally:
        end(process, patience=15)


def database_url() -> str:
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"


def test_a_call_in_flight_is_answered_after_a_stop_signal(project: Project, tmp_path: Path) -> None:
    """The call waits for a lock while the process is told to end; new calls are refused."""
    key = key_of(project)
    with (
        rpc_process(tmp_path / "rpc.log") as (process, port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        psycopg.connect(database_url()) as blocking,
        ThreadPoolExecutor(1) as pool,
    ):
        client = RpcClient(channel, key)
        client.call("PaymentService/ListPayments")
        blocking.execute("LOCK TABLE billing_payment")
        call = pool.submit(client.call, "PaymentService/ListPayments")
        wait_until(lambda: is_waiting_for_a_lock(blocking))
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(port))
        assert not call.done()
        blocking.rollback()
        assert call.result(PATIENCE) == {}
        assert process.wait(PATIENCE) == 0, (tmp_path / "rpc.log").read_text()


def is_waiting_for_a_lock(own: psycopg.Connection) -> bool:
    row = own.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    assert row is not None
    return bool(row[0])


def test_the_process_says_what_is_wrong_with_its_settings() -> None:
    environment = {**os.environ, "DATABASE_URL": database_url(), "RPC_TLS_KEY": "/nowhere"}
    run = subprocess.run(
        [sys.executable, "-m", "rpc"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "Set both RPC_TLS_CERTIFICATE and RPC_TLS_KEY" in run.stderr
