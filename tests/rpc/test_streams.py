"""``WatchChanges``: every event once and in order, also after a break, and no thread per reader."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from django.utils import timezone

from events.log import sequencer
from projects.models import ApiKey, Project
from rpc import streams
from rpc.conf import RpcSettings
from tests.events.log.recording import record
from tests.factories.projects import CustomerFactory, key_of
from tests.rpc.rpc_server import RpcClient, RpcRefusal, RpcStream, ServedRpc
from tests.waiting import wait_until

Clients = Callable[[str], RpcClient]
Code = grpc.StatusCode
WATCH = "EntitlementService/WatchChanges"
ALL = {"types": ["customer.*"]}


@contextmanager
def watching(client: RpcClient, values: Any = None) -> Iterator[Iterator[Any]]:
    stream: RpcStream = client.stream(WATCH, values or ALL)
    try:
        yield iter(stream)
    finally:
        stream.cancel()


def waiting(served: ServedRpc) -> int:
    return served.server.room.count


def recorded(project: Project, customer: str = "") -> str:
    event_id = record(project, customer)
    sequencer.run()
    return event_id


def ids_of(message: Any) -> list[str]:
    return [event["id"] for event in message.get("data", [])]


def test_events_come_as_they_happen_and_a_cursor_goes_on(
    rpc: RpcClient, served: ServedRpc, project: Project
) -> None:
    first = recorded(project)
    with watching(rpc) as messages:
        page = next(messages)
        assert (ids_of(page), page["data"][0]["type"]) == ([first], "customer.updated")
        wait_until(lambda: waiting(served) == 1)
        second = recorded(project)
        message = next(messages)
        assert ids_of(message) == [second]
    wait_until(lambda: waiting(served) == 0)

    missed = recorded(project)
    with watching(rpc, {**ALL, "after": message["next"]}) as messages:
        assert ids_of(next(messages)) == [missed]


def test_without_types_only_changes_of_entitlements_come(rpc: RpcClient, project: Project) -> None:
    recorded(project)
    with watching(rpc, {"after": ""}) as messages:
        message = next(messages)
        assert (ids_of(message), message["head"]) == ([], "1")


def test_events_of_one_customer(rpc: RpcClient, project: Project) -> None:
    ada, bob = (CustomerFactory.create(project=project, user_id=name).pk for name in ("ada", "bob"))
    recorded(project, bob)
    event_id = recorded(project, ada)
    with watching(rpc, {**ALL, "customer": "ada"}) as messages:
        assert ids_of(next(messages)) == [event_id]


def test_a_stream_has_no_event_of_another_project(
    client: Clients, project: Project, other_project: Project
) -> None:
    recorded(project)
    event_id = recorded(other_project)
    with watching(client(key_of(other_project))) as messages:
        assert ids_of(next(messages)) == [event_id]


def test_a_wrong_cursor_and_an_unknown_type_are_refused(rpc: RpcClient, project: Project) -> None:
    for values, field in (({"after": "nonsense"}, "after"), ({"types": ["no.such"]}, "types")):
        with watching(rpc, values) as messages, pytest.raises(RpcRefusal) as raised:
            next(messages)
        assert (raised.value.code, raised.value.fields) == (Code.INVALID_ARGUMENT, [field])


def test_many_streams_hold_no_thread(
    rpc: RpcClient, served: ServedRpc, project: Project, limits: RpcSettings
) -> None:
    """Three times as many as there are threads, while other calls go on."""
    count = 3 * limits.threads
    with ExitStack() as stack:
        readers = [stack.enter_context(watching(rpc)) for _ in range(count)]
        wait_until(lambda: waiting(served) == count)
        assert [ids_of(next(reader)) for reader in readers] == [[]] * count
        assert rpc.call("PaymentService/ListPayments") == {}
        event_id = recorded(project)
        assert [ids_of(next(reader)) for reader in readers] == [[event_id]] * count


class TestLimits:
    @pytest.fixture
    def limits(self) -> RpcSettings:
        return RpcSettings(address="127.0.0.1:0", stop_seconds=10, max_waiting_per_key=2)

    def test_a_key_has_a_limited_number_of_streams_and_who_hangs_up_leaves_one(
        self, client: Clients, served: ServedRpc, project: Project
    ) -> None:
        rpc, other_key = client(key_of(project)), client(key_of(project))
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(watching(rpc))
            wait_until(lambda: waiting(served) == 2)
            with watching(rpc) as messages, pytest.raises(RpcRefusal) as raised:
                next(messages)
            error = raised.value
            assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, "too-many-streams")
            assert error.retry_seconds == streams.RETRY_SECONDS
            stack.enter_context(watching(other_key))
            wait_until(lambda: waiting(served) == 3)
        wait_until(lambda: waiting(served) == 0)
        with watching(rpc):
            wait_until(lambda: waiting(served) == 1)


def test_a_stopping_server_lets_its_streams_go(
    rpc: RpcClient, served: ServedRpc, project: Project
) -> None:
    with watching(rpc) as messages:
        wait_until(lambda: waiting(served) == 1)
        assert ids_of(next(messages)) == []
        served.run(close_room(served))
        with pytest.raises(RpcRefusal) as raised:
            next(messages)
        error = raised.value
        assert (error.code, error.reason) == (Code.UNAVAILABLE, "stream-ended")
        assert error.retry_seconds == 1


async def close_room(served: ServedRpc) -> None:
    served.server.room.close()
    await asyncio.sleep(0)


def test_a_stream_ends_when_its_key_is_revoked(
    client: Clients, served: ServedRpc, project: Project
) -> None:
    key = key_of(project)
    with watching(client(key)) as messages:
        wait_until(lambda: waiting(served) == 1)
        assert ids_of(next(messages)) == []
        ApiKey.objects.for_project(project).update(revoked_at=timezone.now())
        recorded(project)
        with pytest.raises(RpcRefusal) as raised:
            next(messages)
        assert (raised.value.code, raised.value.reason) == (Code.UNAUTHENTICATED, "invalid-key")
