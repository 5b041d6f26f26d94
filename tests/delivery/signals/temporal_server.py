"""A Temporal server of two calls, made of the SDK's own stubs: a real client signals it over gRPC.

As Temporal does, it signals a workflow once per request id, and answers NOT_FOUND for a workflow
that is gone and for a namespace that it does not have.
"""

import asyncio
import json
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import (
    GetSystemInfoRequest,
    GetSystemInfoResponse,
    SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse,
    WorkflowServiceServicer,
    add_WorkflowServiceServicer_to_server,
)
from temporalio.contrib.opentelemetry import TracingInterceptor

from tests.waiting import PATIENCE

STATUS_HEADER = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class ReceivedSignal:
    namespace: str
    workflow_id: str
    signal: str
    request_id: str
    argument: dict[str, Any]
    trace: dict[str, str] | None = None


class TemporalServer(WorkflowServiceServicer):
    """``signals`` are what workflows got, ``requests`` the ids of all requests.

    ``gone`` are workflows that have ended, ``failing`` the status with which a namespace answers,
    ``slow`` namespaces that do not answer for six seconds.
    """

    def __init__(self, namespaces: tuple[str, ...] = ("acme", "umbrella")) -> None:
        self.signals: list[ReceivedSignal] = []
        self.requests: list[str] = []
        self.namespaces = set(namespaces)
        self.gone: set[str] = set()
        self.failing: dict[str, grpc.StatusCode] = {}
        self.slow: set[str] = set()
        self.port = 0
        self._server: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; after a stop at the same port as before."""
        self._run(self._start())

    def stop(self) -> None:
        self._run(self._server.stop(None))

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def GetSystemInfo(  # type: ignore[override]  # noqa: N802  # gRPC's name, its asyncio
        self, request: GetSystemInfoRequest, context: Any
    ) -> GetSystemInfoResponse:
        return GetSystemInfoResponse(server_version="1.30.0")

    async def SignalWorkflowExecution(  # type: ignore[override]  # noqa: N802  # likewise
        self, request: SignalWorkflowExecutionRequest, context: Any
    ) -> SignalWorkflowExecutionResponse:
        self.requests.append(request.request_id)
        await self._refuse(request, context)
        received = ReceivedSignal(
            namespace=request.namespace,
            workflow_id=request.workflow_execution.workflow_id,
            signal=request.signal_name,
            request_id=request.request_id,
            argument=json.loads(request.input.payloads[0].data),
            trace=_trace_of(request),
        )
        if received.request_id not in {each.request_id for each in self.signals}:
            self.signals.append(received)
        return SignalWorkflowExecutionResponse()

    async def _refuse(self, request: SignalWorkflowExecutionRequest, context: Any) -> None:
        namespace = request.namespace
        if namespace in self.slow:
            await asyncio.sleep(6)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "too late")
        if namespace in self.failing:
            await context.abort(self.failing[namespace], "no")
        if namespace not in self.namespaces:
            details = ((STATUS_HEADER, _lacking(namespace)),)
            message = f"Namespace {namespace} is not found."
            await context.abort(grpc.StatusCode.NOT_FOUND, message, details)
        if request.workflow_execution.workflow_id in self.gone:
            await context.abort(grpc.StatusCode.NOT_FOUND, "workflow execution already completed")

    async def _start(self) -> None:
        self._server = grpc.aio.server()
        add_WorkflowServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


def open_server() -> TemporalServer:
    return TemporalServer()  # type: ignore[abstract]  # the calls that are left out say so


def _trace_of(request: SignalWorkflowExecutionRequest) -> dict[str, str] | None:
    """What the interceptor of a worker would begin its span from."""
    interceptor = TracingInterceptor()
    payload = request.header.fields.get(interceptor.header_key)
    return None if payload is None else json.loads(payload.data)


def _lacking(namespace: str) -> bytes:
    """A ``google.rpc.Status`` that says that the namespace is missing."""
    detail = AnyMessage()
    detail.Pack(NamespaceNotFoundFailure(namespace=namespace))
    return GrpcStatus(
        code=5, message="Namespace is not found.", details=[detail]
    ).SerializeToString()
