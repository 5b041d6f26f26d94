"""A dead or frozen Redis costs one caller a short wait, and exchanges are complete."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings as django_settings
from pytest_django import Settings
from redis import ConnectionError as RedisConnectionError
from redis import ResponseError

from common import redis
from tests.waiting import SilentServer


@pytest.fixture(autouse=True)
def _closed_breaker() -> Iterator[None]:
    redis.breaker.close()
    yield
    redis.breaker.close()


def test_a_living_redis_answers() -> None:
    redis.attempt(lambda client: client.set("tests:common", "1", ex=5), fallback=None)

    assert redis.attempt(lambda client: client.get("tests:common"), fallback=None) == "1"
    assert redis.ping()


def test_a_frozen_redis_costs_one_caller_a_quarter_of_a_second(
    settings: Settings, silent_server: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_server.port}/0"
    monkeypatch.setattr(redis, "breaker", redis.Breaker(open_for=3600.0))
    away: Any = "away"
    for _ in range(100):
        assert redis.attempt(lambda client: client.get("x"), fallback=away) == "away"
    assert silent_server.connections == 1
    assert redis.client().get_connection_kwargs()["socket_timeout"] == 0.25


def test_the_breaker_closes_by_itself() -> None:
    breaker = redis.Breaker(open_for=0.05)
    breaker.trip()
    assert breaker.is_open
    time.sleep(0.06)
    assert not breaker.is_open


def test_a_programming_error_does_not_open_the_breaker() -> None:
    def mistaken(client: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        redis.attempt(mistaken, fallback=None)
    assert not redis.breaker.is_open


def test_an_exchange_survives_a_server_that_has_hung_up_and_tells_what_was_refused() -> None:
    (line,) = redis.exchange(("CLIENT", "ID"))
    redis.client().client_kill_filter(_id=str(line))

    assert redis.exchange(("SET", "tests:exchange", b"\0\n", "EX", 5)) == [b"OK"]
    commands = [("GET", "tests:exchange"), ("NO-SUCH",), ("GET", "tests:nothing"), ("CLIENT", "ID")]
    value, refused, nothing, another = redis.exchange(*commands)
    assert (value, nothing) == (b"\0\n", None)
    assert isinstance(refused, ResponseError)
    assert another != line
    assert not redis.breaker.is_open


def test_an_exchange_reads_replies_that_come_in_pieces() -> None:
    long = b"x" * 1_000_000
    redis.exchange(("SET", "tests:long", long, "EX", 5))
    assert redis.exchange(("GET", "tests:long"), ("GET", "tests:long")) == [long, long]


def test_an_exchange_logs_in_and_uses_the_database_of_the_address() -> None:
    redis.client().execute_command("ACL", "SETUSER", "tests", "on", ">s3cret", "~*", "+@all")
    server = urlsplit(django_settings.REDIS_URL)
    address = f"tests:{{}}@{server.hostname}:{server.port}/3"
    lines = redis.RedisConnections(f"redis://{address.format('s3cret')}")
    who, client = lines.exchange(
        b"*2\r\n$3\r\nACL\r\n$6\r\nWHOAMI\r\n*2\r\n$6\r\nCLIENT\r\n$4\r\nINFO\r\n", 2
    )
    lines.close()
    assert who == b"tests"
    assert b" db=3 " in client
    with pytest.raises(RedisConnectionError):
        redis.RedisConnections(f"redis://{address.format('wrong')}").exchange(b"PING\r\n", 1)


def test_an_exchange_over_tls_verifies_the_server(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                connected, _address = listening.accept()
                try:
                    with context.wrap_socket(connected, server_side=True) as encrypted:
                        assert encrypted.recv(100) == b"PING\r\n"
                        encrypted.sendall(b"+PONG\r\n")
                except ssl.SSLError:
                    continue  # the client does not trust this server

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        with pytest.raises(ssl.SSLCertVerificationError):
            redis.RedisConnections(f"rediss://127.0.0.1:{port}").exchange(b"PING\r\n", 1)
        trusting = redis.RedisConnections(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}")
        assert trusting.exchange(b"PING\r\n", 1) == [b"PONG"]
        trusting.close()
        serving.join(5)


def self_signed(folder: Path) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    written = folder / "server.pem"
    written.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return written


def test_a_socket_file_that_accepts_nobody_holds_nobody_up(tmp_path: Path) -> None:
    """A connection to a socket file waits without end while the queue of its server is full."""
    path = str(tmp_path / "redis.sock")
    waiting: list[socket.socket] = []
    refused = threading.Event()

    def connect() -> None:
        with pytest.raises(BlockingIOError):
            redis.RedisConnections(f"unix://{path}").exchange(b"PING\r\n", 1)
        refused.set()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(0)
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            try:
                client.connect(path)
            except BlockingIOError:
                break
        threading.Thread(target=connect, daemon=True).start()
        assert refused.wait(5)
        for client in waiting:
            client.close()
