"""Connections are used again for the same endpoint only, and never after anything odd."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from delivery.sender.connection import ReceiverConnection
from delivery.sender.idle_connections import (
    MAX_AGE_SECONDS,
    MAX_IDLE,
    MAX_IDLE_PER_ENDPOINT,
    MAX_REQUESTS,
    IdleConnections,
)
from delivery.sender.messages import SendFault
from delivery.sender.process import SenderProcess
from delivery.sender.targets import SendTarget
from tests.delivery.sender.conftest import Deliver, collect, make_job
from tests.delivery.sender.receivers import OK, Behaviour, close, receiving
from tests.waiting import wait_until

TARGET = SendTarget(True, "a.example", 443)


def test_the_second_delivery_uses_the_connection_of_the_first(deliver: Deliver) -> None:
    with receiving() as receiver:
        results = [deliver(receiver.url(path), endpoint_id="one") for path in ("/a", "/b", "/a")]
    assert [result.is_reused for result in results] == [False, True, True]
    assert [result.phases.connect is None for result in results] == [False, True, True]
    assert [request.connection for request in receiver.requests] == [0, 0, 0]
    assert {result.address for result in results} == {"127.0.0.1"}


def test_a_long_answer_is_no_reason_to_close(deliver: Deliver) -> None:
    long = OK.replace(b": 2\r\n", b": 40000\r\n") + b"x" * 39_998
    with receiving(long) as receiver:
        for _ in range(3):
            assert deliver(receiver.url(), endpoint_id="long").fault is None
    assert receiver.connections == 1


def test_endpoints_share_no_connection(deliver: Deliver) -> None:
    """Even with the same URL."""
    with receiving() as receiver:
        for endpoint_id in ("first", "second", "first"):
            deliver(receiver.url(), endpoint_id=endpoint_id)
    assert [request.connection for request in receiver.requests] == [0, 1, 0]


def test_a_changed_url_gets_its_own_connection(deliver: Deliver) -> None:
    with receiving() as old, receiving() as new:
        for receiver in (old, new, old):
            assert not deliver(receiver.url(), endpoint_id="moved").is_reused
        assert not deliver(old.url(host="localhost"), endpoint_id="moved").is_reused


def leave_after(response: bytes) -> Behaviour:
    def leave(connection: socket.socket) -> None:
        connection.sendall(response)
        close(connection)

    return leave


@pytest.mark.parametrize(
    "response",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK + b"HTTP/1.1 500 Not asked for\r\n\r\n",
        OK.replace(b": 2\r\n", b": 40000\r\n") + b"x" * 39_998 + b"surplus",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 600,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99_999,
        b"nonsense\r\n\r\n",
    ],
)
def test_an_odd_answer_closes_its_connection(deliver: Deliver, response: bytes) -> None:
    with receiving(response) as receiver:
        for number in range(2):
            assert not deliver(receiver.url(), endpoint_id=f"odd {response[:99]!r}").is_reused
            wait_until(lambda number=number: receiver.closed == number + 1)  # type: ignore[misc]


def test_a_deadline_closes_its_connection(deliver: Deliver) -> None:
    """What comes later must not be taken for the next answer."""
    is_late = threading.Event()

    def wait(connection: socket.socket) -> None:
        is_late.wait()
        connection.sendall(OK)

    with receiving(wait, OK) as receiver:
        result = deliver(receiver.url(), endpoint_id="late", total_seconds=0.2)
        assert result.fault == SendFault.TIMEOUT
        is_late.set()
        assert not deliver(receiver.url(), endpoint_id="late").is_reused


def test_a_reused_connection_that_dies_gets_a_second_chance(deliver: Deliver) -> None:
    with receiving(OK, close, OK) as receiver:
        for _ in range(2):
            result = deliver(receiver.url(), endpoint_id="dying")
            assert (result.status, result.is_reused) == (200, False)
    assert [request.connection for request in receiver.requests] == [0, 0, 1]


def test_there_is_one_second_chance(deliver: Deliver) -> None:
    with receiving(OK, close) as receiver:
        deliver(receiver.url(), endpoint_id="dying twice")
        result = deliver(receiver.url(), endpoint_id="dying twice")
    assert (result.status, result.fault) == (None, SendFault.CONNECTION_LOST)
    assert len(receiver.requests) == 3


def test_no_second_chance_after_the_first_byte(deliver: Deliver) -> None:
    with receiving(OK, leave_after(b"H")) as receiver:
        deliver(receiver.url(), endpoint_id="one byte")
        result = deliver(receiver.url(), endpoint_id="one byte")
    assert (result.fault, result.is_reused) == (SendFault.CONNECTION_LOST, True)
    assert len(receiver.requests) == 2


def test_a_connection_that_the_receiver_closed_is_not_used(deliver: Deliver) -> None:
    with receiving(leave_after(OK), OK) as receiver:
        assert deliver(receiver.url(), endpoint_id="leaving").status == 200
        wait_until(lambda: receiver.closed == 1)
        assert deliver(receiver.url(), endpoint_id="leaving").status == 200
    assert [request.connection for request in receiver.requests] == [0, 1]


def test_a_connection_carries_a_hundred_requests(deliver: Deliver) -> None:
    with receiving() as receiver:
        for _ in range(MAX_REQUESTS + 1):
            deliver(receiver.url(), endpoint_id="many")
    numbers = [request.connection for request in receiver.requests]
    assert numbers == [0] * MAX_REQUESTS + [1]


def test_eight_connections_of_an_endpoint_stay_open(sender: SenderProcess) -> None:
    all_there = threading.Barrier(12)

    def answer(connection: socket.socket) -> None:
        all_there.wait()
        connection.sendall(OK)

    with receiving(answer) as receiver:
        sender.send(*(make_job(receiver.url(), endpoint_id="wide") for _ in range(12)))
        assert {result.status for result in collect(sender, 12).values()} == {200}
        wait_until(lambda: receiver.closed == 12 - MAX_IDLE_PER_ENDPOINT)
    assert receiver.connections == 12


class OpenTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with closing(asyncio.new_event_loop()) as loop:
        yield loop


def opened(
    loop: asyncio.AbstractEventLoop, at: float = 0.0, target: SendTarget = TARGET
) -> ReceiverConnection:
    connection = ReceiverConnection(loop, target, "93.184.216.34", at)
    connection.connection_made(OpenTransport())
    return connection


def test_an_old_connection_is_not_used_again(loop: asyncio.AbstractEventLoop) -> None:
    idle = IdleConnections()
    connection = opened(loop)
    idle.put("one", connection, now=1.0)
    assert idle.take("one", TARGET, now=MAX_AGE_SECONDS - 0.1) is connection
    idle.put("one", connection, now=MAX_AGE_SECONDS - 0.1)
    assert idle.take("one", TARGET, now=MAX_AGE_SECONDS) is None
    assert (connection.is_open, len(idle)) == (False, 0)


def test_old_connections_are_closed_without_a_job(loop: asyncio.AbstractEventLoop) -> None:
    idle = IdleConnections()
    old, young = opened(loop, at=0.0), opened(loop, at=1.0)
    for connection in (old, young):
        idle.put("one", connection, now=1.0)
    idle.close_old(now=MAX_AGE_SECONDS)
    assert (old.is_open, young.is_open, len(idle)) == (False, True, 1)


def test_the_last_used_connection_comes_first(loop: asyncio.AbstractEventLoop) -> None:
    idle = IdleConnections()
    first, second = opened(loop), opened(loop)
    for connection in (first, second):
        idle.put("one", connection, now=1.0)
    assert [idle.take("one", TARGET, now=1.0) for _ in range(3)] == [second, first, None]


def test_another_target_closes_the_connection(loop: asyncio.AbstractEventLoop) -> None:
    for other in (
        TARGET._replace(is_tls=False),
        TARGET._replace(host="b.example"),
        TARGET._replace(port=8443),
    ):
        idle = IdleConnections()
        connection = opened(loop)
        idle.put("one", connection, now=1.0)
        assert idle.take("one", other, now=1.0) is None
        assert not connection.is_open


def test_the_longest_idle_connection_makes_room(loop: asyncio.AbstractEventLoop) -> None:
    idle = IdleConnections()
    connections = [opened(loop) for _ in range(MAX_IDLE + 1)]
    for number, connection in enumerate(connections):
        idle.put(f"endpoint {number}", connection, now=1.0)
    assert len(idle) == MAX_IDLE
    assert [each.is_open for each in connections[:2]] == [False, True]


def test_a_connection_that_is_lost_is_forgotten(loop: asyncio.AbstractEventLoop) -> None:
    idle = IdleConnections()
    connection = opened(loop)
    idle.put("one", connection, now=1.0)
    connection.connection_lost(None)
    assert (len(idle), idle.take("one", TARGET, now=1.0)) == (0, None)
