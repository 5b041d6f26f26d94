"""Send signals to Temporal through its SDK. Needs requirements/temporal.txt.

The generated client is used and not ``WorkflowHandle.signal``, which makes a new request id for
each call. The SDK's own retries are off: ours are rows.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.api.common.v1 import Header, Payloads, WorkflowExecution
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.converter import PayloadConverter
from temporalio.service import (
    ConnectConfig,
    RetryConfig,
    RPCError,
    RPCStatusCode,
    ServiceClient,
    TLSConfig,
)

from common import traces
from delivery.conf import TemporalSettings
from delivery.signals.outcomes import (
    NamespaceDown,
    Signaled,
    SignalFailed,
    SignalOutcome,
    SignalRefused,
    WorkflowMessage,
)

CONNECT_SECONDS = 5
CALL_SECONDS = 5
RUN_SECONDS = 20
"""After which a run sends no further signal; the next one goes on."""
IDENTITY = "tollgate"
TRACE_FIELD = "_tracer-data"
"""By its default name in every SDK of Temporal."""

_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
    }
)
_FINAL = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.ALREADY_EXISTS,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


def send(
    messages: Sequence[WorkflowMessage], *, settings: TemporalSettings
) -> Mapping[str, SignalOutcome]:
    """What became of each message, by its request id; one that was not tried has no outcome.

    Projects are served side by side, the messages of a project one after another. After the first
    one that finds the namespace away the project's others are not tried.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:  # the caller's may have a running loop
        return thread.submit(_run, messages, settings).result()


def _run(
    messages: Sequence[WorkflowMessage], settings: TemporalSettings
) -> Mapping[str, SignalOutcome]:
    return asyncio.run(_send_all(messages, settings))  # noqa: TID251  # no test in this thread


async def _send_all(
    messages: Sequence[WorkflowMessage], settings: TemporalSettings
) -> dict[str, SignalOutcome]:
    lanes: dict[str, list[WorkflowMessage]] = defaultdict(list)
    for message in messages:
        lanes[message.project_id].append(message)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            service = await ServiceClient.connect(_connection(settings))
    except (RuntimeError, TimeoutError, OSError):
        return {
            lane[0].request_id: NamespaceDown("temporal_unreachable") for lane in lanes.values()
        }
    outcomes: dict[str, SignalOutcome] = {}
    deadline = time.monotonic() + RUN_SECONDS
    await asyncio.gather(
        *(_send_lane(service, lane, outcomes, deadline) for lane in lanes.values())
    )
    return outcomes


async def _send_lane(
    service: ServiceClient,
    messages: Sequence[WorkflowMessage],
    outcomes: dict[str, SignalOutcome],
    deadline: float,
) -> None:
    for message in messages:
        if time.monotonic() > deadline:
            return
        outcome = outcomes[message.request_id] = await _send(service, message)
        if isinstance(outcome, NamespaceDown):
            return


async def _send(service: ServiceClient, message: WorkflowMessage) -> SignalOutcome:
    request = SignalWorkflowExecutionRequest(
        namespace=message.namespace,
        workflow_execution=WorkflowExecution(workflow_id=message.workflow_id),
        signal_name=message.signal,
        input=Payloads(payloads=PayloadConverter.default.to_payloads([message.argument])),
        identity=IDENTITY,
        request_id=message.request_id,
        header=_trace_header(message),
    )
    try:
        async with asyncio.timeout(CALL_SECONDS + 1):
            await service.workflow_service.signal_workflow_execution(
                request, retry=False, timeout=timedelta(seconds=CALL_SECONDS)
            )
    except RPCError as error:
        return _outcome_of(error)
    except TimeoutError:
        return NamespaceDown("temporal_no_answer")
    return Signaled()


def _trace_header(message: WorkflowMessage) -> Header | None:
    """The header in which the SDK's interceptor for OpenTelemetry looks for the caller's trace."""
    if not message.traceparent:
        return None
    payload, *_ = PayloadConverter.default.to_payloads([{traces.HEADER: message.traceparent}])
    return Header(fields={TRACE_FIELD: payload})


def _outcome_of(error: RPCError) -> SignalOutcome:
    code = f"temporal_{error.status.name.lower()}"
    if error.status == RPCStatusCode.NOT_FOUND:
        if _lacks_namespace(error):
            return NamespaceDown("namespace_not_found")
        return SignalRefused("workflow_gone")
    if error.status in _AWAY:
        return NamespaceDown(code)
    return SignalRefused(code) if error.status in _FINAL else SignalFailed(code)


def _lacks_namespace(error: RPCError) -> bool:
    """Whether the namespace is missing and not the workflow: both are NOT_FOUND."""
    return any(each.Is(NamespaceNotFoundFailure.DESCRIPTOR) for each in error.grpc_status.details)


def _connection(settings: TemporalSettings) -> ConnectConfig:
    tls = TLSConfig(
        server_root_ca_cert=settings.tls_ca or None,
        client_cert=settings.tls_cert or None,
        client_private_key=settings.tls_key or None,
    )
    return ConnectConfig(
        target_host=settings.address,
        api_key=settings.api_key or None,
        tls=tls if settings.tls else False,
        retry_config=RetryConfig(max_retries=0, max_elapsed_time_millis=CONNECT_SECONDS * 1000),
        identity=IDENTITY,
    )
