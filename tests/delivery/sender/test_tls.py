"""Certificates are verified against the name of the URL, at the address that was checked."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.sender.messages import SendFault
from delivery.sender.process import SenderProcess
from tests.common.local_servers import certificate, misbehaving
from tests.delivery.sender.conftest import LOCAL, make_job, perform
from tests.delivery.sender.receivers import OK, receiving
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("ours"), "hooks.example")


@pytest.fixture(scope="module")
def trusting(ours: Path) -> Iterator[SenderProcess]:
    """A child that trusts our certificate alone."""
    with SenderProcess(replace(LOCAL, ca_file=str(ours))) as process:
        yield process


RESOLVE = {"hooks.example": ("127.0.0.1",), "other.example": ("127.0.0.1",)}


def test_a_delivery_by_tls(trusting: SenderProcess, ours: Path) -> None:
    with receiving(OK, certificate=ours) as receiver:
        url = receiver.url(scheme="https", host="hooks.example")
        results = [
            perform(trusting, make_job(url, endpoint_id="tls", allows_http=False, resolve=RESOLVE))
            for _ in range(2)
        ]
    assert [result.status for result in results] == [200, 200]
    assert [result.is_reused for result in results] == [False, True]
    first, second = results
    assert first.phases.tls is not None
    assert (second.phases.tls, second.certificate_expires_at) == (None, None)
    assert first.certificate_expires_at is not None
    assert 80_000 < first.certificate_expires_at - time.time() < 90_000
    assert len(receiver.requests) == 2


def test_a_certificate_of_another_name_is_refused(trusting: SenderProcess, ours: Path) -> None:
    with receiving(OK, certificate=ours) as receiver:
        for host in ("other.example", "127.0.0.1"):
            result = perform(
                trusting,
                make_job(
                    receiver.url(scheme="https", host=host),
                    resolve=RESOLVE | {"127.0.0.1": ("127.0.0.1",)},
                ),
            )
            assert (result.status, result.fault) == (None, SendFault.TLS_FAILED)
            assert f"certificate of {host} is not valid" in result.sentence
            assert "mismatch" in result.sentence
            assert result.address == "127.0.0.1"
    assert receiver.requests == []


def test_an_unknown_issuer_is_refused(sender: SenderProcess, ours: Path) -> None:
    with receiving(OK, certificate=ours) as receiver:
        url = receiver.url(scheme="https", host="hooks.example")
        result = perform(sender, make_job(url, resolve=RESOLVE))
    assert (result.status, result.fault) == (None, SendFault.TLS_FAILED)
    assert "self-signed" in result.sentence
    assert receiver.requests == []


def drip(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while True:
        time.sleep(0.02)
        connection.sendall(b"x")


def test_a_slow_handshake_ends_at_the_deadline(sender: SenderProcess) -> None:
    with misbehaving(drip) as port:
        result = perform(sender, make_job(f"https://127.0.0.1:{port}/", total_seconds=0.5))
    assert (result.status, result.fault) == (None, SendFault.TIMEOUT)
    assert "TLS handshake" in result.sentence
    assert (result.address, result.phases.tls) == ("127.0.0.1", None)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01"])
def test_a_failed_handshake_says_so(sender: SenderProcess, greeting: bytes) -> None:
    def greet(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(greeting)

    with misbehaving(greet) as port:
        result = perform(sender, make_job(f"https://127.0.0.1:{port}/"))
    assert (result.status, result.fault) == (None, SendFault.TLS_FAILED)
    assert "handshake" in result.sentence


def test_failures_leave_no_open_file(trusting: SenderProcess, ours: Path) -> None:
    def open_sockets() -> int:
        links = Path(f"/proc/{trusting.pid}/fd").iterdir()
        return sum("socket:" in str(link.readlink()) for link in links)

    perform(trusting, make_job("https://gone.example/", resolve={}))
    before = open_sockets()
    with misbehaving(drip) as slow, receiving(OK, certificate=ours) as receiver:
        for url in (f"https://127.0.0.1:{slow}/", receiver.url(scheme="https")):
            for _ in range(5):
                perform(trusting, make_job(url, total_seconds=0.3))
    wait_until(lambda: open_sockets() <= before)
