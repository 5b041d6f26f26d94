"""What becomes of a call: an answer's bytes, or a status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import orjson
import structlog
from google.rpc import status_pb2
from rest_framework.exceptions import APIException

from common import context
from common.api import django_refusals
from common.api.problems import document, plain
from common.errors import DomainError
from rpc import statuses
from rpc.requests import CallMetadata, HttpAnswer

log = structlog.get_logger(__name__)

Metadata = tuple[tuple[str, str | bytes], ...]
Headers = Sequence[tuple[str, str]]
NO_LIMITS: Headers = ()
CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class CallResult:
    """``message`` is None if the call is refused with ``status``."""

    message: bytes | None = None
    status: status_pb2.Status | None = None
    metadata: Metadata = ()

    async def hand_over(self, call: Any, limits: Headers) -> bytes:
        """The answer's bytes for the caller, with ``limits`` as further metadata; ends the call
        with an error if it is refused."""
        if self.message is None:
            await self.abort(call, limits)
        call.set_trailing_metadata((*self.metadata, *limits))
        return self.message

    async def abort(self, call: Any, limits: Headers = NO_LIMITS) -> NoReturn:
        """End the call with the status."""
        assert self.status is not None
        details = (statuses.DETAILS, self.status.SerializeToString())
        code = CODES[self.status.code]
        await call.abort(code, self.status.message, (*self.metadata, *limits, details))
        raise AssertionError("abort() raises.")


def refused(answer: HttpAnswer, *, fields: Mapping[str, str] | None = None) -> CallResult:
    """The result of an answer that is no success. ``fields``: see :func:`statuses.status_of`."""
    status = statuses.status_of(_problem(answer), retry_after=answer.retry_after, fields=fields)
    return CallResult(status=status, metadata=answer.metadata)


def refused_here(
    error: DomainError | APIException,
    metadata: CallMetadata,
    *,
    fields: Mapping[str, str] | None = None,
) -> CallResult:
    """The result of a call that became no request. Call it in a thread for requests."""
    headers_sent = metadata.headers
    request_id = context.begin(
        headers_sent.get("x-request-id", ""), headers_sent.get("traceparent")
    )
    response = plain(error)
    headers = {name.lower(): value for name, value in response.items()}
    headers["x-request-id"] = request_id
    answer = HttpAnswer(response.status_code, headers, response.content, {})
    return refused(answer, fields=fields)


def crashed(error: Exception, metadata: CallMetadata) -> CallResult:
    """The result of a call that an error of ours has ended: it says no more than the request's id,
    under which the log has the error."""
    request_id = context.begin(metadata.headers.get("x-request-id", ""))
    log.error("rpc_call_crashed", error=type(error).__name__, exc_info=error)
    return refused(HttpAnswer(500, {"x-request-id": request_id}, b"", {}))


def _problem(answer: HttpAnswer) -> dict[str, Any]:
    try:
        problem = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        problem = None
    if isinstance(problem, dict) and {"status", "title", "code"} <= problem.keys():
        return problem
    code, title = django_refusals.TITLES[500]
    return document(status=max(answer.status, 500), code=code, title=title)
