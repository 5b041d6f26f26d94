"""No packet leaves for an address that the rules refuse (SCENARIOS F18, WORLD 6.13)."""

import socket
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from common.egress_rules import LOOPBACK, PUBLIC, EgressRules
from delivery.sender.messages import SendFault, SendPhases
from delivery.sender.options import SenderOptions
from delivery.sender.process import SenderProcess
from tests.common.test_egress import HOSTILE
from tests.delivery.sender.conftest import Deliver, collect, make_job, perform
from tests.delivery.sender.receivers import receiving
from tests.waiting import SilentServer


@pytest.fixture(scope="module")
def strict() -> Iterator[SenderProcess]:
    """A child with the options of production."""
    with SenderProcess() as process:
        yield process


@pytest.fixture
def canary() -> Iterator[SilentServer]:
    """Listens on an address of this machine that the tests' child must not connect to."""
    server = SilentServer(socket.create_server(("127.0.0.2", 0)))
    yield server
    server.close()


def test_no_hostile_url_leads_to_a_connection(strict: SenderProcess) -> None:
    urls = [url for url in HOSTILE if url.isascii()]
    strict.send(
        *(make_job(url, job_id=url, allows_http=False, ports=None, headers={}) for url in urls)
    )
    for url, result in collect(strict, len(urls)).items():
        # or this resolver does not know the spelling
        assert result.fault in (SendFault.REFUSED_ADDRESS, SendFault.NAME_NOT_FOUND), url
        assert (result.address, result.phases.connect) == (None, None)
        assert result.sentence


def test_production_reaches_no_local_receiver(strict: SenderProcess) -> None:
    """Whatever the job says."""
    with receiving() as receiver:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            result = perform(strict, make_job(receiver.url(host=host)))
            assert result.fault == SendFault.REFUSED_ADDRESS
        result = perform(
            strict, make_job(receiver.url(host="x.example"), resolve={"x.example": ("127.0.0.1",)})
        )
        assert result.fault == SendFault.BAD_JOB
    assert receiver.connections == 0


def test_http_and_other_ports_only_where_the_job_says_so(deliver: Deliver) -> None:
    with receiving() as receiver:
        for changes in ({"allows_http": False}, {"ports": None}, {"ports": (443, 8443)}):
            assert deliver(receiver.url(), **changes).fault == SendFault.REFUSED_ADDRESS
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.2",),
        ("10.0.0.1",),
        ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.2", "127.0.0.1"),
        ("93.184.216.34", "127.0.0.2"),
        ("::ffff:127.0.0.1",),
        ("::ffff:127.0.0.2",),
        ("64:ff9b::7f00:2",),
        ("2002:7f00:2::",),
        ("::1", "fe80::1%lo"),
        ("localhost",),
    ],
)
def test_one_wrong_address_of_a_name_is_enough(
    deliver: Deliver, canary: SilentServer, addresses: tuple[str, ...]
) -> None:
    result = deliver(f"http://flip.example:{canary.port}/", resolve={"flip.example": addresses})
    assert result.fault == SendFault.REFUSED_ADDRESS
    assert "flip.example" in result.sentence
    assert canary.connections == 0


def test_a_name_without_an_address_is_not_found(deliver: Deliver) -> None:
    result = deliver("http://gone.example/", resolve={})
    assert (result.fault, result.status) == (SendFault.NAME_NOT_FOUND, None)
    assert deliver("http://no-such-name.invalid/").fault == SendFault.NAME_NOT_FOUND


def test_a_name_that_turns_inward_between_attempts_is_refused(
    deliver: Deliver, canary: SilentServer
) -> None:
    with receiving(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ) as receiver:
        url = receiver.url(host="flip.example")
        assert deliver(url, resolve={"flip.example": ("127.0.0.1",)}).status == 200
        result = deliver(url, resolve={"flip.example": ("127.0.0.2",)})
    assert (result.fault, result.address) == (SendFault.REFUSED_ADDRESS, None)
    assert canary.connections == 0


def test_a_warm_connection_stays_at_its_checked_address(
    deliver: Deliver, canary: SilentServer
) -> None:
    with receiving() as receiver:
        url = receiver.url(host="flip.example")
        for addresses in (("127.0.0.1",), ("127.0.0.2",)):
            result = deliver(url, endpoint_id="warm", resolve={"flip.example": addresses})
            assert (result.status, result.address) == (200, "127.0.0.1")
    assert (receiver.connections, canary.connections) == (1, 0)


def test_the_host_header_keeps_the_name(deliver: Deliver) -> None:
    with receiving() as receiver:
        deliver(receiver.url(host="Name.Example"), resolve={"name.example": ("127.0.0.1",)})
    [request] = receiver.requests
    assert dict(request.headers)["Host"] == f"Name.Example:{receiver.port}"


def test_the_system_resolves_names(deliver: Deliver) -> None:
    with receiving() as receiver:
        result = deliver(receiver.url(host="localhost"))
    assert (result.status, result.address) == (200, "127.0.0.1")


def test_the_next_address_is_tried(deliver: Deliver) -> None:
    with receiving() as receiver:
        result = deliver(
            receiver.url(host="two.example"), resolve={"two.example": ("::1", "127.0.0.1")}
        )
    assert (result.status, result.address) == (200, "127.0.0.1")


def test_an_ipv6_address_is_connected_to(deliver: Deliver) -> None:
    with receiving(host="::1") as receiver:
        result = deliver(receiver.url(host="[::1]"))
    assert (result.status, result.address) == (200, "::1")
    assert dict(receiver.requests[0].headers)["Host"] == f"[::1]:{receiver.port}"


def test_a_closed_port_refuses(deliver: Deliver) -> None:
    with receiving() as receiver:
        url = receiver.url()
    result = deliver(url)
    assert (result.fault, result.address) == (SendFault.CONNECT_FAILED, None)
    assert result.phases == SendPhases(name=result.phases.name, total=result.phases.total)


def test_a_port_that_does_not_accept_times_out(deliver: Deliver) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the queue is full now
            for seconds in ({"connect_seconds": 0.2}, {"total_seconds": 0.2}):
                result = deliver(f"http://127.0.0.1:{port}/", **seconds)
                expected = (
                    SendFault.CONNECT_TIMEOUT if "connect_seconds" in seconds else SendFault.TIMEOUT
                )
                assert (result.fault, result.status) == (expected, None)


def test_the_rules_take_an_address_as_it_is_written() -> None:
    tenant = EgressRules(networks=(ip_network("10.1.0.0/16"),))
    for rules, address, is_allowed in [
        (PUBLIC, "93.184.216.34", True),
        (PUBLIC, "2606:2800::1", True),
        (PUBLIC, "127.0.0.1", False),
        (PUBLIC, "::ffff:93.184.216.34", False),
        (PUBLIC, "", False),
        (LOOPBACK, "127.9.9.9", True),
        (LOOPBACK, "::1", True),
        (LOOPBACK, "::ffff:127.0.0.1", False),
        (LOOPBACK, "10.1.0.1", False),
        (tenant, "10.1.255.255", True),
        (tenant, "10.2.0.0", False),
        (tenant, "::ffff:10.1.0.1", False),
    ]:
        assert rules.allow_address(address) is is_allowed, address


def test_options_survive_the_command_line() -> None:
    options = SenderOptions(
        networks=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
        allows_resolve=True,
        ca_file="/a b.pem",
    )
    assert SenderOptions.from_text(options.to_text()) == options
