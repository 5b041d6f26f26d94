"""A Temporal server of two calls, made of the SDK's own stubs: a real client signals it over gRPC.

As Temporal does, it signals a workflow once per request id, and answers NOT_FOUND for a workflow
that is gone and for a namespace that it does not have.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
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

STATUS_HEADER = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class ReceivedSignal:
    namespace: str
    workflow_id: str
    signal: str
    request_id: str
    argument: dict[str, Any]


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
        self._lock = threading.Lock()
        self._server: Any = None
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; after a stop at the same port as before."""
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        add_WorkflowServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def GetSystemInfo(  # noqa: N802  # gRPC's name
        self, request: GetSystemInfoRequest, context: Any
    ) -> GetSystemInfoResponse:
        return GetSystemInfoResponse(server_version="1.30.0")

    def SignalWorkflowExecution(  # noqa: N802  # gRPC's name
        self, request: SignalWorkflowExecutionRequest, context: Any
    ) -> SignalWorkflowExecutionResponse:
        with self._lock:
            self.requests.append(request.request_id)
        self._refuse(request, context)
        received = ReceivedSignal(
            namespace=request.namespace,
            workflow_id=request.workflow_execution.workflow_id,
            signal=request.signal_name,
            request_id=request.request_id,
            argument=json.loads(request.input.payloads[0].data),
        )
        with self._lock:
            if received.request_id not in {each.request_id for each in self.signals}:
                self.signals.append(received)
        return SignalWorkflowExecutionResponse()

    def _refuse(self, request: SignalWorkflowExecutionRequest, context: Any) -> None:
        namespace = request.namespace
        if namespace in self.slow:
            time.sleep(6)
            context.abort(grpc.StatusCode.UNAVAILABLE, "too late")
        if namespace in self.failing:
            context.abort(self.failing[namespace], "no")
        if namespace not in self.namespaces:
            context.set_trailing_metadata([(STATUS_HEADER, _lacking(namespace))])
            context.abort(grpc.StatusCode.NOT_FOUND, f"Namespace {namespace} is not found.")
        if request.workflow_execution.workflow_id in self.gone:
            context.abort(grpc.StatusCode.NOT_FOUND, "workflow execution already completed")


def _lacking(namespace: str) -> bytes:
    """A ``google.rpc.Status`` that says that the namespace is missing."""
    detail = AnyMessage()
    detail.Pack(NamespaceNotFoundFailure(namespace=namespace))
    return GrpcStatus(
        code=5, message="Namespace is not found.", details=[detail]
    ).SerializeToString()
