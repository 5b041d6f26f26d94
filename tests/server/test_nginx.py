"""The proxy of docker-compose.yml buffers requests and sets the client address."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.server.files import allow_many_files
from tests.nginx import executable
from tests.server.proxy import proxy, write_configuration
from tests.server.web_server import answer, head, open_sockets, request

pytestmark = pytest.mark.nginx
DRIBBLING, SILENT = 150, 500
"""One address may have 200 connections; those beyond are refused with 429."""


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = json.dumps({"headers": dict(self.headers), "length": len(body)}).encode()
        self.server.seen.append(self.path)  # type: ignore[attr-defined]  # the fixture's list
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        """The test's output stays readable."""


@pytest.fixture
def upstream() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def port(upstream: ThreadingHTTPServer, tmp_path: Path) -> Iterator[int]:
    allow_many_files()
    tmp_path.chmod(0o755)
    with proxy(tmp_path, upstream=upstream.server_port) as port:
        yield port


def test_the_proxy_sets_the_client_address_itself(port: int) -> None:
    spoofed: dict[str, Any] = {
        "X_Forwarded_For": "192.0.2.1",
        "X_Forwarded_Proto": "https",
        "Forwarded": "for=192.0.2.1;proto=https",
        "Host": "billing.example.com",
    }
    headers = request(port, "GET", "/", **spoofed).json()["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["Host"] == "billing.example.com"
    assert "Forwarded" not in headers


def test_in_a_cluster_the_ingress_says_how_the_client_came(
    upstream: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """Its address is believed from private networks alone, of which 127.0.0.1 is none."""
    tmp_path.chmod(0o755)
    with proxy(tmp_path, upstream=upstream.server_port, server="kubernetes.conf") as port:

        def client(**sent: Any) -> tuple[str, str]:
            headers = request(port, "GET", "/", **sent).json()["headers"]
            assert "Forwarded" not in headers
            return headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]

        assert client() == ("127.0.0.1", "http")
        assert client(X_Forwarded_Proto="https") == ("127.0.0.1", "https")
        assert client(X_Forwarded_Proto="ftp") == ("127.0.0.1", "http")
        assert client(X_Forwarded_For="192.0.2.1", Forwarded="for=192.0.2.1") == client()


def test_in_a_cluster_the_client_is_the_last_address_before_the_ingress(
    upstream: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """Here the test is the ingress, in 127.0.0.0/8 instead of 10.0.0.0/8."""
    tmp_path.chmod(0o755)
    replaced = {"set_real_ip_from 10.0.0.0/8;": "set_real_ip_from 127.0.0.0/8;"}
    with proxy(
        tmp_path, upstream=upstream.server_port, server="kubernetes.conf", replaced=replaced
    ) as port:
        for sent, client in [
            ("192.0.2.1", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1, 192.168.7.7", "192.0.2.1"),
        ]:
            headers = request(port, "GET", "/", X_Forwarded_For=sent).json()["headers"]
            assert headers["X-Forwarded-For"] == client, sent


def test_a_request_is_passed_on_when_its_body_is_complete(
    port: int, upstream: ThreadingHTTPServer
) -> None:
    with open_sockets(port, 1, head("POST", "/slow", length=1000) + b"{") as (one,):
        assert request(port, "POST", "/quick", b"x" * 100_000).json()["length"] == 100_000
        assert "/slow" not in upstream.seen  # type: ignore[attr-defined]
        one.sendall(b" " * 999)
        assert answer(one).json()["length"] == 1000
    assert "/slow" in upstream.seen  # type: ignore[attr-defined]


def test_slow_bodies_delay_nobody_and_excess_connections_are_refused(port: int) -> None:
    with ExitStack() as stack:
        first = head("POST", "/slow", length=1000) + b"{"
        stack.enter_context(open_sockets(port, DRIBBLING, first))
        stack.enter_context(open_sockets(port, SILENT))
        for _ in range(20):
            assert request(port, "GET", "/").status == 200
        *_, last = stack.enter_context(open_sockets(port, 250 - DRIBBLING, first))
        refused = answer(last)
    assert (refused.status, refused.json()["code"]) == (429, "rate-limited")
    assert refused.headers["retry-after"] == "1"


def test_the_proxys_own_refusals_are_problem_documents(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with proxy(tmp_path, upstream=9) as port:
        for length, status, code in [
            (2 * 1024 * 1024, 413, "body-too-large"),
            (0, 503, "unavailable"),
        ]:
            with open_sockets(port, 1, head("POST", "/", length=length)) as (one,):
                refused = answer(one)
            assert (refused.status, refused.json()["code"]) == (status, code)
            assert refused.headers["content-type"] == "application/problem+json"


def test_the_configuration_with_https_is_valid(tmp_path: Path) -> None:
    key, certificate = self_signed()
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "privkey.pem").write_bytes(key)
    (tmp_path / "tls" / "fullchain.pem").write_bytes(certificate)
    ports = {"8443": 8443, "8081": 8081}
    main = write_configuration(tmp_path, server="tls.conf", upstream=9, ports=ports)
    run = subprocess.run(
        [str(executable()), "-t", "-c", str(main), "-e", "stderr"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def self_signed() -> tuple[bytes, bytes]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(tz=UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "billing.example.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(pem, form, plain), certificate.public_bytes(pem)
