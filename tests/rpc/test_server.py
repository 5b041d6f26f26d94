"""The server itself: health, reflection, deadlines and limits."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import grpc
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models.functions import Now
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from pytest_django import Settings

from billing.models import StripeIntent
from billing.stripe.client import use_transport
from billing.stripe.transport import Transport
from common.request_threads import Threads
from projects.models import Project
from rpc import call_results, descriptors, message_waits, open_handlers, unary
from rpc.conf import RpcSettings
from rpc.methods import PAYMENTS, SERVICES
from rpc.requests import HttpAnswer, read_metadata
from tests.factories.projects import key_of
from tests.rpc.rpc_server import RpcClient, RpcRefusal, ServedRpc
from tests.sandbox_stripe import SandboxStripe
from tests.waiting import PATIENCE, SilentServer, wait_until

Code = grpc.StatusCode
Check = health_pb2.HealthCheckResponse
LONG_AGO = 0.0
"""As `time.monotonic` counts."""
HEALTH_CHECK = "grpc.health.v1.Health/Check"
LISTED = "PaymentService/ListPayments"
INTENT = {"type": "intent", "amount": {"amount": 2900, "currency": "usd"}}


def health_of(channel: grpc.Channel, name: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(service=name)).status)


def test_health_of_every_service_needs_no_key(channel: grpc.Channel) -> None:
    assert {health_of(channel, name) for name in ("", *SERVICES)} == {Check.SERVING}
    with pytest.raises(grpc.RpcError) as raised:
        health_of(channel, "tollgate.v1.Nothing")
    assert RpcRefusal(raised.value).code is Code.NOT_FOUND


def test_tools_read_the_services_from_the_server(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(SERVICES) < set(database.get_services())
    file = database.FindFileContainingSymbol("tollgate.v1.EntitlementService")
    assert file.package == "tollgate.v1"


def test_streams_without_a_key_cannot_take_all_places(
    channel: grpc.Channel, served: ServedRpc, project: Project
) -> None:
    """Whoever reaches the port may watch the health of services; so many, and no more."""
    request = health_pb2.HealthCheckRequest()
    channels = [grpc.insecure_channel(served.address, [("own", each)]) for each in range(2)]
    with ExitStack() as stack:
        stubs: list[Any] = [
            health_pb2_grpc.HealthStub(stack.enter_context(each)) for each in channels
        ]
        half = open_handlers.MAX_STREAMS // 2
        watching = [stubs[each // half].Watch(request) for each in range(open_handlers.MAX_STREAMS)]
        assert {next(each).status for each in watching} == {Check.SERVING}
        with pytest.raises(grpc.RpcError) as raised:
            next(stubs[0].Watch(request))
        assert RpcRefusal(raised.value).code is Code.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.RpcError) as raised:
            ProtoReflectionDescriptorDatabase(channel).get_services()
        assert RpcRefusal(raised.value).code is Code.RESOURCE_EXHAUSTED
        assert health_of(channel) == Check.SERVING
        assert RpcClient(channel, key_of(project)).call(LISTED) == {}
        watching[0].cancel()
        wait_until(lambda: can_watch(stubs[0]))


class TestUnsentMessages:
    @pytest.fixture
    def limits(self) -> RpcSettings:
        return RpcSettings(address="127.0.0.1:0", stop_seconds=10, max_calls=40)

    @pytest.mark.parametrize("method", ["tollgate.v1.EntitlementService/Check", HEALTH_CHECK])
    def test_calls_whose_message_never_comes_cannot_take_all_places(
        self, served: ServedRpc, channel: grpc.Channel, project: Project, method: str
    ) -> None:
        """A caller without a key opens calls and sends nothing; each of others is answered."""
        end = threading.Event()
        client = RpcClient(channel, key_of(project))
        with grpc.insecure_channel(served.address, [("own", 1)]) as silent:
            stub: Any = silent.stream_unary(f"/{method}")
            calls = [stub.future(nothing_until(end)) for _ in range(60)]
            wait_until(lambda: sum(not call.done() for call in calls) <= 24)
            assert client.call(LISTED) == {}
            assert health_of(channel) == Check.SERVING
            stream = client.stream("EntitlementService/WatchChanges")
            assert "next" in next(iter(stream))
            stream.cancel()
            end.set()

    def test_a_message_that_never_comes_is_not_waited_for_long(
        self, served: ServedRpc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(message_waits, "LONGEST_SECONDS", 0.0)
        end = threading.Event()
        with grpc.insecure_channel(served.address) as silent:
            stub: Any = silent.stream_unary(f"/{HEALTH_CHECK}")
            calls = [stub.future(nothing_until(end)) for _ in range(6)]
            wait_until(lambda: sum(call.done() for call in calls) == 2)
            assert {call.code() for call in calls if call.done()} == {Code.DEADLINE_EXCEEDED}
            end.set()

    def test_a_call_without_a_message_is_refused(self, served: ServedRpc) -> None:
        end = threading.Event()
        with (
            grpc.insecure_channel(served.address, [("own", 1)]) as silent,
            grpc.insecure_channel(served.address, [("own", 2)]) as empty,
        ):
            waiting: Any = silent.stream_unary(f"/{HEALTH_CHECK}")
            held = [waiting.future(nothing_until(end)) for _ in range(6)]
            wait_until(lambda: served.server.waits.is_busy)
            stub: Any = empty.stream_unary("/tollgate.v1.EntitlementService/Check")
            with pytest.raises(grpc.RpcError) as raised:
                stub(iter(()))
            assert RpcRefusal(raised.value).message == message_waits.MISSING
            assert not any(call.done() for call in held)
            end.set()


def nothing_until(end: threading.Event) -> Iterator[bytes]:
    """A message that does not come."""
    end.wait(PATIENCE)
    yield from ()


def can_watch(stub: Any) -> bool:
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    try:
        return bool(next(watch).status == Check.SERVING)
    except grpc.RpcError:
        return False
    finally:
        watch.cancel()


class TestWithoutReflection:
    @pytest.fixture
    def limits(self) -> RpcSettings:
        return RpcSettings(address="127.0.0.1:0", is_reflected=False)

    def test_tools_can_be_kept_out(self, channel: grpc.Channel) -> None:
        with pytest.raises(grpc.RpcError) as raised:
            ProtoReflectionDescriptorDatabase(channel).get_services()
        assert RpcRefusal(raised.value).code is Code.UNIMPLEMENTED


@pytest.mark.parametrize(
    "settings",
    [
        {"certificate": "x"},
        {"private_key": "x"},
        {"client_authority": "x"},
        {"threads": 0},
        {"address": "50051"},
        {"address": "localhost:http"},
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured):
        RpcSettings(**settings).check()


def test_a_deadline_ends_the_wait_for_a_hanging_stripe(
    rpc: RpcClient, stripe: SandboxStripe, silent_server: SilentServer, settings: Settings
) -> None:
    """Only one request may wait for Stripe, for ten minutes: the second call could not reach it if
    the first one's deadline had not freed the place."""
    use_transport(Transport(timeout=(600, 600), max_concurrent=1))
    base = f"http://127.0.0.1:{silent_server.port}"
    settings.BILLING = replace(settings.BILLING, stripe_api_base=base)
    for count, user_id in enumerate(("alice", "bob"), start=1):
        order = {**INTENT, "user_id": user_id}
        with pytest.raises(RpcRefusal) as raised:
            rpc.call("PaymentService/CreatePayment", order, timeout=2)
        assert raised.value.code is Code.DEADLINE_EXCEEDED
        assert silent_server.connections == count
        wait_until(lambda: not is_waiting_for_stripe())


def is_waiting_for_stripe() -> bool:
    """Whether an intent is still with the thread that has sent it."""
    leased = StripeIntent.objects.across_projects().filter(leased_until__gt=Now())
    return leased.exists()


def test_a_call_whose_deadline_has_passed_is_not_begun(project: Project) -> None:
    metadata = read_metadata([("x-request-id", "req-9")], "ipv4:127.0.0.1:1")
    descriptor = descriptors.services()["tollgate.v1.PaymentService"]
    method = descriptor.methods_by_name["ListPayments"]
    handler = unary.UnaryMethod(PAYMENTS["ListPayments"], method, Threads(1))
    result = handler.execute(b"", metadata, LONG_AGO)
    assert result.status is not None
    assert result.status.code == Code.DEADLINE_EXCEEDED.value[0]
    assert ("x-request-id", "req-9") in result.metadata


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.1:50312", "10.0.0.1"),
        ("ipv6:%5B::1%5D:50312", "::1"),
        ("ipv6:[fe80::1]:1", "fe80::1"),
        ("unix:/tmp/socket", ""),
    ],
)
def test_the_address_of_a_caller(peer: str, address: str) -> None:
    assert read_metadata([], peer).address == address


def test_headers_come_from_a_list_and_repeated_ones_are_joined() -> None:
    sent = [("authorization", "Bearer a"), ("authorization", "b"), ("cookie", "x"), ("host", "y")]
    assert read_metadata(sent, "").headers == {"authorization": "Bearer a,b"}


def test_an_answer_without_a_problem_document_is_an_internal_error() -> None:
    result = call_results.refused(HttpAnswer(502, {}, b"<html>", {}))
    assert result.status is not None
    assert result.status.code == Code.UNAVAILABLE.value[0]


def test_a_caller_who_pings_all_the_time_is_disconnected(
    served: ServedRpc, project: Project
) -> None:
    options = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.http2.min_time_between_pings_ms", 100),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    with grpc.insecure_channel(served.address, options) as channel:
        stream = RpcClient(channel, key_of(project)).stream("EntitlementService/WatchChanges")
        with pytest.raises(RpcRefusal) as raised:
            list(stream)
    assert raised.value.code is Code.UNAVAILABLE
    assert raised.value.message == "Too many pings"
