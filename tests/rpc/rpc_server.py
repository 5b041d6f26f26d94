"""The gRPC server in an event loop of its own, and a client of it over a real channel."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from common.frames import call_with_room
from projects.limits.limiter import Limiter
from rpc import descriptors
from rpc.conf import RpcSettings
from rpc.server import RpcServer
from tests.waiting import PATIENCE

PACKAGE = "tollgate.v1."


class ServedRpc:
    """A server that runs in a thread of this process. Close it."""

    def __init__(self, limits: RpcSettings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=call_with_room, args=(self._loop.run_forever,), daemon=True
        )
        self._thread.start()
        self.server = RpcServer(limits, Limiter())
        self.run(self.server.start())

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def close(self) -> None:
        self.run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


class RpcRefusal(Exception):
    """A call that was refused: its code, and the details that the server sent."""

    def __init__(self, error: grpc.RpcError) -> None:
        call: Any = error
        self.code: grpc.StatusCode = call.code()
        self.message: str = call.details()
        self.metadata = dict(call.trailing_metadata() or ())
        status: status_pb2.Status | None = rpc_status.from_call(call)
        self._details = list(status.details) if status else []
        super().__init__(f"{self.code.name} {self.reason}: {self.message}")

    @property
    def reason(self) -> str:
        """Our stable code."""
        return str(self.info.reason)

    @property
    def info(self) -> error_details_pb2.ErrorInfo:
        return self._detail(error_details_pb2.ErrorInfo())

    @property
    def fields(self) -> list[str]:
        """Names of the wrong fields."""
        bad = self._detail(error_details_pb2.BadRequest())
        return [violation.field for violation in bad.field_violations]

    @property
    def retry_seconds(self) -> int:
        """0 without a RetryInfo."""
        return int(self._detail(error_details_pb2.RetryInfo()).retry_delay.seconds)

    def _detail(self, detail: Any) -> Any:
        for packed in self._details:
            if packed.Unpack(detail):
                break
        return detail


class RpcClient:
    """Calls methods by name, such as ``EntitlementService/Check``, with JSON values."""

    def __init__(self, channel: grpc.Channel, key: str = "") -> None:
        self._channel = channel
        self._key = key

    def call(self, method: str, values: dict[str, Any] | None = None, **options: Any) -> Any:
        """The answer as JSON values. Raises RpcRefusal."""
        return self.call_with_metadata(method, values, **options)[0]

    def call_with_metadata(
        self, method: str, values: dict[str, Any] | None = None, **options: Any
    ) -> tuple[Any, dict[str, str]]:
        """The answer, and the metadata that came with it."""
        name, request, answer_class = self._prepare(method, values or {})
        stub = self._channel.unary_unary(f"/{name}", _serialize, answer_class.FromString)
        try:
            answer, call = stub.with_call(request, metadata=self._metadata(options), **options)
        except grpc.RpcError as error:
            raise RpcRefusal(error) from None
        metadata: Any = call.trailing_metadata()
        return _values(answer), dict(metadata)

    def raw(self, method: str, data: bytes) -> bytes:
        """Send these bytes as the message. Raises RpcRefusal."""
        name, _, _ = self._prepare(method, {})
        try:
            stub: Any = self._channel.unary_unary(f"/{name}")
            return bytes(stub(data, metadata=self._metadata({})))
        except grpc.RpcError as error:
            raise RpcRefusal(error) from None

    def stream(self, method: str, values: dict[str, Any] | None = None) -> "RpcStream":
        name, request, answer_class = self._prepare(method, values or {})
        stub = self._channel.unary_stream(f"/{name}", _serialize, answer_class.FromString)
        return RpcStream(stub(request, metadata=self._metadata({}), timeout=PATIENCE))

    def _prepare(self, method: str, values: dict[str, Any]) -> tuple[str, Message, type[Message]]:
        service_name, _, method_name = method.partition("/")
        if "." not in service_name:
            service_name = PACKAGE + service_name
        descriptor = descriptors.services()[service_name].methods_by_name[method_name]
        request = json_format.ParseDict(values, descriptors.message_class(descriptor.input_type)())
        name = f"{service_name}/{method_name}"
        return name, request, descriptors.message_class(descriptor.output_type)

    def _metadata(self, options: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        key = (("authorization", f"Bearer {self._key}"),) if self._key else ()
        return (*key, *options.pop("metadata", {}).items())


class RpcStream:
    """Messages of a stream, as JSON values."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        try:
            for message in self._call:
                yield _values(message)
        except grpc.RpcError as error:
            raise RpcRefusal(error) from None

    def cancel(self) -> None:
        self._call.cancel()


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _values(message: Message) -> Any:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
