"""Too many connections close those that have been idle for longest."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from config.server import connections
from config.server.connections import LAST_DATA, TCP_INFO_SIZE, Connections
from tests.waiting import PATIENCE

COUNT = 60


class Accepted:
    """A listening socket of this process with accepted connections, the oldest first."""

    def __init__(self, stack: ExitStack) -> None:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=COUNT))
        self.clients, self.servers = [], []
        for _ in range(COUNT):
            client = socket.create_connection(listening.getsockname(), timeout=PATIENCE)
            self.clients.append(stack.enter_context(client))
            self.servers.append(stack.enter_context(listening.accept()[0]))

    def address(self, number: int) -> str:
        host, port = self.clients[number].getsockname()
        return f"{host}:{port}"

    def open(self) -> list[int]:
        """The numbers of those that are still open, as their clients see it."""
        return [number for number, one in enumerate(self.clients) if not has_ended(one)]


def has_ended(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


@pytest.fixture
def accepted() -> Iterator[Accepted]:
    with ExitStack() as stack:
        yield Accepted(stack)


def test_nothing_is_closed_within_the_limit(accepted: Accepted) -> None:
    assert Connections(COUNT, set()).trim() == 0
    assert len(accepted.open()) == COUNT


def test_idle_connections_are_closed_down_to_the_limit_and_some_more(accepted: Accepted) -> None:
    assert Connections(COUNT // 2, set()).trim() == COUNT // 2 + 3
    assert len(accepted.open()) == COUNT // 2 - 3


def test_recently_used_connections_stay_open(accepted: Accepted) -> None:
    used = [0, 1, 2, 3]
    other = accepted.servers[-1]
    while last_data_received_ms(other) < 100:
        pass  # the kernel's clock goes on by itself
    for number in used:
        accepted.clients[number].sendall(b"GET")
        assert accepted.servers[number].recv(3) == b"GET"
    Connections(4, set()).trim()
    assert accepted.open() == used


def last_data_received_ms(one: socket.socket) -> int:
    ages_ms: tuple[int, int] = LAST_DATA.unpack_from(
        one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    )
    return ages_ms[1]


def test_busy_connections_are_never_closed(accepted: Accepted) -> None:
    busy = [3, 7, 31]
    assert Connections(0, {accepted.address(number) for number in busy}).trim() == COUNT - 3
    assert accepted.open() == busy


def test_few_connections_of_refused_callers_are_closed_at_once(
    accepted: Accepted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who floods comes back at once. Nobody else's is closed in their place."""
    monkeypatch.setattr(connections, "MAX_HELD_CLOSED", 10)
    held = {accepted.address(number) for number in range(COUNT)}
    assert Connections(COUNT // 2, set(), held).trim() == 10
    assert len(accepted.open()) == COUNT - 10


def test_an_idle_connection_outlives_those_whose_refusal_is_held(accepted: Accepted) -> None:
    """They have waited for longer than a caller within its limit pauses between two requests."""
    quiet = accepted.servers[7]
    while last_data_received_ms(quiet) < 100:
        pass
    accepted.clients[7].sendall(b"GET")
    assert quiet.recv(3) == b"GET"
    held = {accepted.address(number) for number in range(COUNT) if number != 7}
    Connections(1, set(), held).trim()
    assert accepted.open() == [7]


def test_other_sockets_of_this_process_are_left_alone(accepted: Accepted) -> None:
    """The test's own ends of the connections are sockets of this process, too."""
    Connections(0, {accepted.address(number) for number in range(COUNT)}).trim()
    assert accepted.open() == list(range(COUNT))
