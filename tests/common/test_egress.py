"""Outgoing requests reach public HTTPS addresses only, within limits of size and time."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from common import egress
from common.conf import EgressSettings
from common.egress import MOST, EgressFailed
from common.egress_rules import EgressRefused
from tests.common.local_servers import Server, certificate, misbehaving, serving

HOSTILE = [
    # other schemes, ports and shapes
    "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "http://example.com/",
    "//example.com/", "example.com", "", "https://", "https:///x", "https:example.com",
    "https://example.com:22/", "https://example.com:80/", "https://example.com:0/",
    "https://example.com:99999/", "https://example.com:x/", "https://user@example.com/",
    "https://user:password@example.com/", "https://example.com\\@127.0.0.1/",
    "https://example.com:443@127.0.0.1/", "https://exam ple.com/", "https://example.com/\r\nX: y",
    "https://example.com/\x00", "https://ex\u0430mple.com/", "https://\uff11\uff12\uff17.0.0.1/",
    "https://[fe80::1%25eth0]/", "https://[::1/", "https://-x.example.com/", "https://a..b%2e/",
    "https://example.com/" + "x" * 2000,
    # this machine and its surroundings, in every spelling that a resolver understands
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://127.0.0.1/",
    "https://127.1/", "https://127.0.1/", "https://0/", "https://0.0.0.0/", "https://2130706433/",
    "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/",
    "https://127.0.0.1:8443/", "https://127.255.255.254/", "https://10.0.0.1/",
    "https://172.16.0.1/", "https://192.168.0.1/", "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/", "https://100.100.100.200/", "https://168.63.129.16/",
    "https://192.0.0.192/", "https://198.18.0.1/", "https://192.0.2.1/", "https://203.0.113.1/",
    "https://224.0.0.1/", "https://240.0.0.1/", "https://255.255.255.255/", "https://192.88.99.1/",
    "https://[::]/", "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::1]/", "https://[100::1]/",
    "https://[2001::1]/", "https://[2001:db8::1]/", "https://[2002:7f00:1::]/",
    "https://[3fff::1]/", "https://[5f00::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/",
    "https://[fe80::1]/", "https://[fec0::1]/", "https://[ff02::1]/",
]  # fmt: skip


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"a connection to {args}")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def allow_loopback(settings: Settings) -> None:
    """This machine may be asked, as in development."""
    settings.EGRESS = EgressSettings(loopback=True)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as address:
        yield address


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The resolver gives these addresses, one list per look-up; who asked for what."""
    hosts: list[str] = []

    def resolve(host: str, port: int, **kwargs: Any) -> list[Any]:
        answer = answers[min(len(hosts), len(answers) - 1)]
        hosts.append(host)
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port))
            for each in answer
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return hosts


@pytest.mark.usefixtures("no_connections")
def test_no_packet_leaves_for_a_hostile_address() -> None:
    for url in HOSTILE:
        for ask in (egress.get, lambda url: egress.post(url, b"{}")):
            # or this resolver does not know the spelling
            with pytest.raises((EgressRefused, EgressFailed)) as refusal:
                ask(url)
            unknown = "the name is not known" in str(refusal.value)
            assert refusal.type is EgressRefused or unknown, url


@pytest.mark.usefixtures("no_connections")
@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["2606:2800::1", "::1"], ["fe80::1%eth0"], []],
)
def test_one_wrong_address_of_a_name_is_enough(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolve_to(monkeypatch, addresses)
    with pytest.raises(EgressRefused, match=r"rebind\.example"):
        egress.get("https://rebind.example/")


@pytest.mark.usefixtures("no_connections")
@pytest.mark.parametrize(
    "url",
    ["http://public.example/", "https://public.example:80/", "https://public.example:5432/"],
)
def test_only_https_on_its_ports_is_allowed(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    resolve_to(monkeypatch, ["93.184.216.34"])
    with pytest.raises(EgressRefused, match="Use https"):
        egress.get(url)


def test_the_connection_goes_to_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its mind after the first look-up is not looked up again."""
    looked_up = resolve_to(monkeypatch, ["93.184.216.34", "93.184.216.35"], ["127.0.0.1"])
    tried = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        assert 0 < timeout <= egress.CONNECT
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(EgressFailed):
        egress.get("https://rebind.example:8443/")
    assert looked_up == ["rebind.example"]
    assert tried == [("93.184.216.34", 8443), ("93.184.216.35", 8443)]


def test_loopback_only_where_the_settings_say(settings: Settings, server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/keys?a=b"
    with pytest.raises(EgressRefused, match="https"):
        egress.get(url)
    settings.EGRESS = EgressSettings(loopback=True)
    answer = egress.get(url, headers={"Accept": "application/json"})
    assert (answer.status, answer.body, answer.is_cut) == (200, b"hello", False)
    [(method, path, headers, _)] = server.asked
    assert (method, path) == ("GET", "/keys?a=b")
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept": "application/json",
        "User-Agent": "Tollgate/1",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    for elsewhere in ("http://127.0.0.2/", "http://10.0.0.1/", "http://example.com/"):
        with pytest.raises(EgressRefused):
            egress.get(elsewhere)


@pytest.mark.usefixtures("allow_loopback")
def test_the_body_arrives_to_the_byte(server: Server) -> None:
    body = bytes(range(256))
    egress.post(f"http://localhost:{server.port}/", body, headers={"X-Signed": "1"})
    [(method, path, headers, arrived)] = server.asked
    assert (method, path, arrived, headers["X-Signed"]) == ("POST", "/", body, "1")


@pytest.mark.usefixtures("allow_loopback")
def test_redirects_are_not_followed(server: Server) -> None:
    server.reply = lambda path: (302, {"Location": "https://169.254.169.254/"}, b"")
    answer = egress.get(f"http://localhost:{server.port}/")
    assert (answer.status, answer.headers["location"]) == (302, "https://169.254.169.254/")
    assert len(server.asked) == 1


@pytest.mark.usefixtures("allow_loopback")
def test_only_the_first_bytes_of_a_response_are_read(server: Server) -> None:
    for size, is_cut in ((MOST, False), (MOST + 1, True), (MOST * 20, True)):
        server.reply = lambda path, size=size: (200, {}, b"x" * size)  # type: ignore[misc]
        answer = egress.get(f"http://localhost:{server.port}/")
        assert (len(answer.body), answer.is_cut) == (MOST, is_cut)


@pytest.mark.usefixtures("allow_loopback")
def test_the_rest_of_a_long_answer_is_not_waited_for() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MOST * 20)
    with misbehaving(lambda connection: connection.sendall(head + b"x" * (MOST + 1))) as port:
        assert egress.get(f"http://127.0.0.1:{port}/").is_cut


@pytest.mark.usefixtures("allow_loopback")
def test_proxy_settings_are_ignored(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert egress.get(f"http://localhost:{server.port}/").status == 200


@pytest.mark.usefixtures("allow_loopback")
def test_a_certificate_is_checked_against_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, others = (certificate(tmp_path, name) for name in ("localhost", "other.example"))
    with serving(ours) as good, serving(others) as wrong:
        url = f"https://localhost:{good.port}/"
        with pytest.raises(EgressFailed, match="SSLCertVerificationError"):
            egress.get(url)
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(ours.read_bytes() + others.read_bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert egress.get(url).body == b"hello"
        with pytest.raises(EgressFailed, match="SSLCertVerificationError"):
            egress.get(f"https://localhost:{wrong.port}/")
    assert (len(good.asked), len(wrong.asked)) == (1, 0)


def send_slowly(text: bytes, connection: socket.socket, survivors: list[socket.socket]) -> None:
    connection.sendall(text)
    for _ in range(200):  # four seconds: who is not cut off by then never is
        time.sleep(0.02)
        connection.sendall(b"x")
    survivors.append(connection)


@pytest.mark.usefixtures("allow_loopback")
@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("http", b""),
        ("http", b"HTTP/1.1 200 OK\r\nX-Header: "),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"),
        ("https", b"\x16\x03\x03\x40\x00"),
    ],
)
def test_a_server_that_sends_slowly_is_cut_off(scheme: str, text: bytes) -> None:
    survivors: list[socket.socket] = []
    dripping = misbehaving(lambda connection: send_slowly(text, connection, survivors))
    with dripping as port, pytest.raises(EgressFailed, match="no complete answer in time"):
        egress.get(f"{scheme}://127.0.0.1:{port}/", total=0.3)
    assert survivors == []


@pytest.mark.usefixtures("allow_loopback")
def test_silent_closed_and_malformed_responses_are_failures(silent_port: int) -> None:
    with pytest.raises(EgressFailed, match="no complete answer in time"):
        egress.get(f"http://127.0.0.1:{silent_port}/", total=0.1)
    for response in (b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"):
        leaving = misbehaving(lambda connection, response=response: connection.sendall(response))  # type: ignore[misc]
        with leaving as port, pytest.raises(EgressFailed):
            egress.get(f"http://127.0.0.1:{port}/")
