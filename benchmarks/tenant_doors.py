"""How the tenants of `benchmarks.neighbours` call: over HTTP, or over gRPC.

Both doors have the same questions: a check, and a read of a list.
"""

import http.client
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import grpc
from google.protobuf import json_format

from benchmarks import h2load, wrk
from benchmarks.bench_servers import BenchDatabase
from benchmarks.measures import checks
from rpc import descriptors

CHECK, READ = "check", "read"
PATIENCE_SECONDS = 10


class TenantDoor(Protocol):
    def flood(self, name: str, key: str, *, connections: int, seconds: int) -> None:
        """Ask this without a pause on each connection."""

    def caller(self, name: str, key: str) -> AbstractContextManager[Callable[[], bool]]:
        """Asks this once, with one connection. False if that was refused or failed."""


class HttpDoor:
    """``flooded``: paths up to the number of a customer. ``asked``: whole paths."""

    flooded = {CHECK: f"{checks.PATH}?feature=sso&user_id=", READ: "/api/v1/entitlements?user_id="}
    asked = {CHECK: f"{checks.PATH}?user_id=u1&feature=sso", READ: "/api/v1/customers?limit=20"}

    def __init__(self, world: BenchDatabase) -> None:
        self._world = world

    def flood(self, name: str, key: str, *, connections: int, seconds: int) -> None:
        wrk.run_wrk(
            self._world.url,
            script="get.lua",
            arguments=[self.flooded[name], "", key, "0", str(checks.WARM_CUSTOMERS)],
            seconds=seconds,
            connections=connections,
        )

    @contextmanager
    def caller(self, name: str, key: str) -> Iterator[Callable[[], bool]]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._world.port, timeout=PATIENCE_SECONDS
        )
        headers = {"Authorization": f"Bearer {key}"}

        def ask() -> bool:
            try:
                connection.request("GET", self.asked[name], headers=headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()  # the next request opens another one
                return False
            return answer.status == 200

        yield ask
        connection.close()


class _Method(NamedTuple):
    service: str
    name: str
    question: dict[str, object]

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"

    def message(self) -> bytes:
        method = descriptors.services()[self.service].methods_by_name[self.name]
        request_class = descriptors.message_class(method.input_type)
        return json_format.ParseDict(self.question, request_class()).SerializeToString()


class GrpcDoor:
    """The process at this port. ``at``: a folder for messages."""

    methods = {
        CHECK: _Method(
            "tollgate.v1.EntitlementService", "Check", {"user_id": "u1", "feature": "sso"}
        ),
        READ: _Method("tollgate.v1.InvoiceService", "ListInvoices", {}),
    }

    def __init__(self, port: int, at: Path) -> None:
        self._port, self._at = port, at
        at.mkdir(exist_ok=True)

    def flood(self, name: str, key: str, *, connections: int, seconds: int) -> None:
        method, body = self.methods[name], self._at / f"{name}.grpc"
        message = method.message()
        body.write_bytes(b"\0" + len(message).to_bytes(4) + message)
        h2load.run_h2load(
            f"http://127.0.0.1:{self._port}{method.path}",
            headers={
                "authorization": f"Bearer {key}",
                "content-type": "application/grpc",
                "te": "trailers",
            },
            seconds=seconds,
            connections=connections,
            calls=1,
            body=body,
        )

    @contextmanager
    def caller(self, name: str, key: str) -> Iterator[Callable[[], bool]]:
        method = self.methods[name]
        message, metadata = method.message(), (("authorization", f"Bearer {key}"),)
        with grpc.insecure_channel(f"127.0.0.1:{self._port}") as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method.path)

            def ask() -> bool:
                try:
                    call(message, metadata=metadata, timeout=PATIENCE_SECONDS)
                except grpc.RpcError:
                    return False
                return True

            yield ask
