"""Problem documents as ``google.rpc.Status``: a code, and details that programs read.

`ErrorInfo.reason` is the document's stable code (docs/errors.md), `BadRequest` names wrong fields,
`RetryInfo` says when to try again. Other members of the document are in `ErrorInfo.metadata`, lists
and objects among them as JSON.
"""

from collections.abc import Mapping
from typing import Any

import grpc
import orjson
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "tollgate"
DETAILS = "grpc-status-details-bin"
Code = grpc.StatusCode
CODES: dict[int, Code] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    402: Code.FAILED_PRECONDITION,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    408: Code.DEADLINE_EXCEEDED,
    409: Code.FAILED_PRECONDITION,
    410: Code.OUT_OF_RANGE,
    413: Code.RESOURCE_EXHAUSTED,
    415: Code.INVALID_ARGUMENT,
    422: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    500: Code.INTERNAL,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
"""The gRPC code of each HTTP status of a refusal."""
SHOWN = frozenset({"title", "detail", "code", "status", "errors"})
"""Members that are elsewhere in the status."""


def code_of(status: int, *, can_retry: bool = False) -> Code:
    """The code of a refusal. A conflict that passes by itself is ABORTED: the caller retries."""
    if status == 409 and can_retry:
        return Code.ABORTED
    return CODES.get(status, Code.UNKNOWN)


def status_of(
    problem: Mapping[str, Any], *, retry_after: int | None, fields: Mapping[str, str] | None = None
) -> status_pb2.Status:
    """The status of a problem document; ``retry_after`` in seconds. ``fields`` gives other names
    to the API's fields."""
    code = code_of(int(problem["status"]), can_retry=retry_after is not None)
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=problem.get("detail") or problem["title"])
    _add(status, _info(problem))
    if errors := problem.get("errors"):
        _add(status, _bad_request(errors, fields or {}))
    if retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(retry_after)
        _add(status, retry)
    return status


def _info(problem: Mapping[str, Any]) -> error_details_pb2.ErrorInfo:
    extra = {name: value for name, value in problem.items() if name not in SHOWN}
    return error_details_pb2.ErrorInfo(
        reason=problem["code"],
        domain=DOMAIN,
        metadata={name: _text(value) for name, value in extra.items()},
    )


def _bad_request(
    errors: list[dict[str, str]], fields: Mapping[str, str]
) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=_field(error["pointer"], fields),
                description=error["detail"],
                reason=error["code"],
            )
            for error in errors
        ]
    )


def _field(pointer: str, fields: Mapping[str, str]) -> str:
    """``#/lines/0/price`` as ``lines.0.price``."""
    path = pointer.removeprefix("#").removeprefix("/").replace("/", ".")
    return fields.get(path, path).replace("~1", "/").replace("~0", "~")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _add(status: status_pb2.Status, detail: Message) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)
