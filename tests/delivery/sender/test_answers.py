"""Every kind of answer becomes one result, within limits; nothing is followed."""

import gzip
import socket
import time

import pytest

from delivery.sender.messages import SendFault
from delivery.sender.process import SenderProcess
from delivery.sender.response import MAX_PIECES, MAX_RESPONSE_BYTES
from tests.delivery.sender.conftest import Deliver, collect, make_job
from tests.delivery.sender.receivers import OK, Behaviour, close, hang, receiving
from tests.waiting import wait_until


def answer(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


@pytest.mark.parametrize(
    ("response", "status", "headers"),
    [
        (answer("200 OK", b"<html>not JSON"), 200, {}),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, {}),
        (
            answer("301 Moved\r\nLocation: https://10.0.0.1/"),
            301,
            {"location": "https://10.0.0.1/"},
        ),
        (answer("308 Moved\r\nLocation: /elsewhere"), 308, {"location": "/elsewhere"}),
        (answer("410 Gone"), 410, {}),
        (answer("429 Slow down\r\nRetry-After: 120"), 429, {"retry-after": "120"}),
        (answer("500 \r\nWebhook-Delivery: disable"), 500, {"webhook-delivery": "disable"}),
        (b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + OK, 200, {}),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, {}),
        (answer("200 OK\r\nServer: " + "x" * 300), 200, {"server": "x" * 200}),
        (answer("200 OK\r\nX-Other: 1\r\nServer: a\r\nServer: b"), 200, {"server": "a"}),
        (answer("200 OK\r\nServer: caf\xe9"), 200, {"server": "caf\xe9"}),
    ],
)
def test_a_complete_answer_is_the_result(
    deliver: Deliver, response: bytes, status: int, headers: dict[str, str]
) -> None:
    with receiving(response) as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.fault, result.is_cut) == (status, None, False)
    assert {name: result.headers[name] for name in result.headers if name != "content-length"} == (
        headers
    )
    assert len(receiver.requests) == 1


def test_the_request_is_as_the_job_says(deliver: Deliver) -> None:
    body = bytes(range(256)) * 1000
    with receiving() as receiver:
        signed = {"webhook-id": "evt_1", "Webhook-Signature": "v1,a v1,b", "x-own": ""}
        deliver(receiver.url("/a%20b/?c=d&e"), headers=signed, body=body)
    [request] = receiver.requests
    assert request.line == "POST /a%20b/?c=d&e HTTP/1.1"
    assert request.body == body
    assert dict(request.headers) == signed | {
        "Host": f"127.0.0.1:{receiver.port}",
        "Content-Length": "256000",
        "User-Agent": "Tollgate/1",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.example"},
        {"content-length": "1"},
        {"transfer-encoding": "chunked"},
        {"Upgrade": "websocket"},
        {"proxy-authorization": "x"},
        {"x-a": "b\r\nx-c: d"},
        {"x a": "b"},
        {"x-a": "b\x00"},
        {"x-a": "caf\xe9"},
    ],
)
def test_a_header_that_must_not_be_sent_is_refused(
    deliver: Deliver, headers: dict[str, str]
) -> None:
    with receiving() as receiver:
        result = deliver(receiver.url(), headers=headers)
    assert (result.status, result.fault) == (None, SendFault.BAD_JOB)
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", SendFault.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", SendFault.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, SendFault.BAD_RESPONSE),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 700 + b"\r\n", SendFault.RESPONSE_TOO_LARGE),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", SendFault.BAD_RESPONSE),
        (b"HTTP/1.1 103 Early\r\n\r\n" * 1000, SendFault.RESPONSE_TOO_LARGE),
    ],
)
def test_an_answer_without_a_valid_head_has_no_status(
    deliver: Deliver, response: bytes, fault: SendFault
) -> None:
    with receiving(response) as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.fault, result.is_cut) == (None, fault, False)
    assert result.sentence
    wait_until(lambda: receiver.closed == 1)


@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nServer: x\r\n"])
def test_a_connection_that_closes_before_the_head_is_lost(
    deliver: Deliver, response: bytes
) -> None:
    def leave(connection: socket.socket) -> None:
        connection.sendall(response)
        close(connection)

    with receiving(leave) as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.fault) == (None, SendFault.CONNECTION_LOST)
    assert len(receiver.requests) == 1  # a new connection gets no second chance


def test_a_status_counts_whatever_happens_to_the_body(deliver: Deliver) -> None:
    def leave(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        close(connection)

    with receiving(leave) as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.fault, result.is_cut) == (200, SendFault.CONNECTION_LOST, True)
    assert result.body == b"part"


def test_a_broken_chunk_cuts_the_answer(deliver: Deliver) -> None:
    head = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
    with receiving(head + b"4\r\npart\r\nzz\r\n") as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.fault, result.is_cut) == (202, SendFault.BAD_RESPONSE, True)


def test_an_endless_body_is_cut(deliver: Deliver) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 65536)

    with receiving(flood) as receiver:
        result = deliver(receiver.url())
        wait_until(lambda: receiver.closed == 1)
    assert (result.status, result.fault, result.is_cut) == (200, SendFault.RESPONSE_TOO_LARGE, True)
    assert result.body == b"x" * 1024
    assert sent < 50_000_000  # what the buffers of both kernels hold, at most


def test_64_kib_are_read(deliver: Deliver) -> None:
    for surplus, fault in ((0, None), (1, SendFault.RESPONSE_TOO_LARGE)):
        head = "200 OK\r\nServer: x"
        rest = MAX_RESPONSE_BYTES - len(answer(head, b"x" * 60_000)) + 60_000
        with receiving(answer(head, b"x" * (rest + surplus))) as receiver:
            result = deliver(receiver.url())
        assert (result.status, result.fault) == (200, fault)


def test_nothing_is_decompressed(deliver: Deliver) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    with receiving(answer("200 OK\r\nContent-Encoding: gzip", bomb)) as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.is_cut, result.body) == (200, False, bomb[:1024])


def test_an_answer_of_many_small_chunks_is_cut(deliver: Deliver) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunks, is_cut in ((MAX_PIECES, False), (MAX_PIECES + 1, True)):
        with receiving(head + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n") as receiver:
            result = deliver(receiver.url())
        assert (result.status, result.is_cut) == (200, is_cut)


def test_an_answer_of_many_lines_keeps_its_status(deliver: Deliver) -> None:
    trailer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 700
    for response in (answer("200 OK", b"\n" * 5000), answer("204 None") + b"\n" * 5000, trailer):
        with receiving(response) as receiver:
            result = deliver(receiver.url())
            assert result.status in (200, 204)
            assert result.is_cut is (result.status == 200)
            wait_until(lambda receiver=receiver: receiver.closed == 1)  # type: ignore[misc]


def test_an_answer_in_many_packets_is_cut(deliver: Deliver) -> None:
    def dribble(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        for _ in range(60_000):
            connection.sendall(b"x")
            time.sleep(0.0005)

    with receiving(dribble) as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.fault, result.is_cut) == (200, SendFault.RESPONSE_TOO_LARGE, True)
    assert "256 pieces" in result.sentence


def test_an_answer_may_end_with_the_connection(deliver: Deliver) -> None:
    def leave(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        close(connection)

    with receiving(leave) as receiver:
        result = deliver(receiver.url())
    assert (result.status, result.fault, result.body) == (200, None, b"all of it")


def test_a_complete_answer_is_not_waited_on(deliver: Deliver) -> None:
    """The receiver never closes."""

    def stay(connection: socket.socket) -> None:
        connection.sendall(answer("200 OK\r\nConnection: close", b"ok"))
        hang(connection)

    with receiving(stay) as receiver:
        assert deliver(receiver.url()).fault is None
        wait_until(lambda: receiver.closed == 1)


def drip(start: bytes) -> Behaviour:
    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(0.02)
            connection.sendall(b"1")

    return send


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (hang, None),
        (drip(b""), None),
        (drip(b"HTTP/1.1 200 OK\r\nX-Header: "), None),
        (drip(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 "), None),
        (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"), 200),
        (drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"), 200),
    ],
)
def test_a_slow_answer_ends_at_the_deadline(
    deliver: Deliver, behaviour: Behaviour, status: int | None
) -> None:
    with receiving(behaviour) as receiver:
        result = deliver(receiver.url(), total_seconds=0.5)
        wait_until(lambda: receiver.closed == 1)
    assert (result.status, result.fault, result.is_cut) == (
        status,
        SendFault.TIMEOUT,
        status is not None,
    )
    assert "did not complete its response" in result.sentence


def test_hanging_receivers_hold_up_nobody(sender: SenderProcess) -> None:
    with receiving(hang) as hanging, receiving() as receiver:
        stuck = [make_job(hanging.url(), total_seconds=300) for _ in range(40)]
        good = [make_job(receiver.url()) for _ in range(40)]
        sender.send(*stuck, *good)
        assert {result.status for result in collect(sender, 40).values()} == {200}
        for job in stuck:
            sender.cancel(job.job_id)
        results = collect(sender, 40)
    assert {result.fault for result in results.values()} == {SendFault.CANCELED}
    assert set(results) == {job.job_id for job in stuck}


def test_the_phases_of_a_delivery(deliver: Deliver) -> None:
    with receiving() as receiver:
        result = deliver(receiver.url())
    phases = result.phases
    assert result.address == "127.0.0.1"
    assert phases.tls is None
    assert None not in (phases.name, phases.connect, phases.first_byte, phases.total)
