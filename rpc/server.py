"""The server: services, limits, TLS, health, reflection, and its end without a lost call."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import structlog
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from common.request_threads import Threads
from delivery.feed.waiting_room import WaitingRoom
from projects.limits.limiter import Limiter
from rpc import descriptors
from rpc.admission import RpcGate
from rpc.checks import CheckMethod
from rpc.conf import RpcSettings
from rpc.interceptor import AtOnce, KeyInterceptor
from rpc.message_waits import MessageWaits
from rpc.methods import SERVICES
from rpc.routes import RpcRoute
from rpc.shipments import CreateInvoiceMethod, GetInvoiceMethod
from rpc.streams import WatchMethod
from rpc.unary import UnaryMethod

log = structlog.get_logger(__name__)

CHECK = "tollgate.v1.EntitlementService.Check"
WATCH = "tollgate.v1.EntitlementService.WatchChanges"
SHIPMENTS: dict[str, type[UnaryMethod]] = {
    "billing.BillingService.CreateInvoice": CreateInvoiceMethod,
    "billing.BillingService.GetInvoice": GetInvoiceMethod,
}
LIVENESS_SECONDS = 5.0


class RpcServer:
    """One process's server, in the running event loop. ``port`` is set by :meth:`start`."""

    def __init__(self, limits: RpcSettings, limiter: Limiter) -> None:
        self.limits = limits
        self.port = 0
        self.threads = Threads(limits.threads, shared_from=1)
        self.room = WaitingRoom(limits, self.threads)
        self.gate = RpcGate(self.threads, limiter)
        self.waits = MessageWaits(untimed=limits.max_calls // 10, timed=limits.max_calls // 2)
        self._at_once: dict[str, AtOnce] = {}
        self._health = health.HealthServicer()

    async def start(self) -> None:
        """Listen and serve. Raises OSError if the address cannot be had."""
        loop = asyncio.get_running_loop()
        self.threads.start(loop)
        self.room.start(loop)
        self.gate.start(loop)
        handlers = self._build_handlers()
        self._server = grpc.aio.server(
            interceptors=[KeyInterceptor(self.threads, self.gate, self.waits, self._at_once)],
            options=options(self.limits),
            maximum_concurrent_rpcs=self.limits.max_calls,
        )
        self._server.add_generic_rpc_handlers(tuple(handlers))
        names = self._add_services_of_grpc()
        self.port = self._listen()
        await self._server.start()
        for name in (*names, ""):  # the empty name is the server as a whole
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("rpc_started", port=self.port, has_tls=bool(self.limits.certificate))

    async def stop(self) -> None:
        """Take no new call, let streams go, and finish every call in progress."""
        await self._health.enter_graceful_shutdown()
        self.room.close()
        self.gate.let_go()
        await self._server.stop(self.limits.stop_seconds)
        self.gate.stop()
        self.threads.stop()
        # A caller who has hung up has left its work in a thread.
        await asyncio.to_thread(self.threads.join, self.limits.stop_seconds)
        log.info("rpc_stopped")

    def _build_handlers(self) -> list[grpc.GenericRpcHandler]:
        handlers = []
        for name, service in descriptors.services().items():
            routes = SERVICES[name]
            methods = {
                method.name: self._handler(routes[method.name], method)
                for method in service.methods
            }
            handlers.append(grpc.method_handlers_generic_handler(name, methods))
        return handlers

    def _handler(self, route: RpcRoute, method: MethodDescriptor) -> Any:
        if method.full_name == WATCH:
            watch = WatchMethod(route, method, self.threads, self.room, self.limits)
            return grpc.unary_stream_rpc_method_handler(watch.handle)
        if method.full_name == CHECK:
            check = CheckMethod(route, method, self.threads, self.gate)
            service, _, name = method.full_name.rpartition(".")
            self._at_once[f"/{service}/{name}"] = check.answer_cached
            return grpc.unary_unary_rpc_method_handler(check.handle)
        make = SHIPMENTS.get(method.full_name, UnaryMethod)
        return grpc.unary_unary_rpc_method_handler(make(route, method, self.threads).handle)

    def _add_services_of_grpc(self) -> list[str]:
        """Add health and reflection. Returns the names of all services."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*descriptors.services(), HEALTH]
        if self.limits.is_reflected:
            public = (*names, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(public, self._server)
        return names

    def _listen(self) -> int:
        address, tls = self.limits.address, self.limits.read_tls()
        if tls is None:
            return int(self._server.add_insecure_port(address))
        private_key, certificate, authority = tls
        credentials = grpc.ssl_server_credentials(
            [(private_key, certificate)],
            root_certificates=authority,
            require_client_auth=authority is not None,
        )
        return int(self._server.add_secure_port(address, credentials))


def options(limits: RpcSettings) -> list[tuple[str, int]]:
    """Options of gRPC's core, against callers who mean harm or forget what they have opened."""
    return [
        ("grpc.max_receive_message_length", limits.max_message),
        ("grpc.max_send_message_length", limits.max_answer),
        ("grpc.max_metadata_size", limits.max_metadata),
        ("grpc.absolute_max_metadata_size", limits.max_metadata),
        ("grpc.max_concurrent_streams", limits.max_calls_per_connection),
        # A connection whose peer does not answer a ping is closed.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # A caller who pings more often is disconnected.
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_connection_idle_ms", 10 * 60_000),
        # Callers connect again now and then, so that new processes get their share.
        ("grpc.max_connection_age_ms", 60 * 60_000),
        ("grpc.max_connection_age_grace_ms", 60_000),
        ("grpc.so_reuseport", 1),
    ]
