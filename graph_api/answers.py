"""Execute a query and build its answer: ``data``, and ``errors`` with our stable codes."""

from itertools import islice
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from common.api.django_refusals import TITLES
from common.api.problems import MAX_ERRORS, document, document_of, refusal_of
from common.errors import Unavailable
from graph_api.errors import QueryInvalid, QueryMalformed, QueryTooLong
from graph_api.limits import MAX_TOKENS
from graph_api.request import QueryRequest
from graph_api.schema import schema

log = structlog.get_logger(__name__)

EXTENSIONS = ("code", "status", "errors")
"""Members of the problem document that ``extensions`` has; ``message`` has its detail."""
CRASHED = 500
TOO_LONG = "Document contains more than"


def answer_query(
    *, query: str, variables: dict[str, Any] | None, request: QueryRequest
) -> dict[str, Any]:
    """The body of the answer. Without ``data`` nothing was executed.

    Raises Unavailable when the database is away.
    """
    try:
        result = schema.execute_sync(
            query,
            variable_values=variables,
            operation_name=request.operation_name,
            context_value=request,
        )
    except (CannotGetOperationTypeError, InvalidOperationTypeError):
        refusal = QueryInvalid("Send a query. An operationName must be the name of one.")
        return {"errors": [_entry(document_of(refusal))]}
    errors = [_error(each) for each in islice(result.errors or (), MAX_ERRORS)]
    body: dict[str, Any] = {} if result.data is None else {"data": result.data}
    return {**body, "errors": errors} if errors else body


def _error(error: GraphQLError) -> dict[str, Any]:
    """One entry of ``errors``."""
    body = _entry(_document(error))
    if error.locations:
        body["locations"] = [{"line": each.line, "column": each.column} for each in error.locations]
    if error.path is not None:
        body["path"] = error.path
    return body


def _entry(problem: dict[str, Any]) -> dict[str, Any]:
    extensions = {name: problem[name] for name in EXTENSIONS if name in problem}
    return {"message": problem.get("detail") or problem["title"], "extensions": extensions}


def _document(error: GraphQLError) -> dict[str, Any]:
    """The problem document of an error; an unknown one is logged and named like a crash of REST.

    Raises Unavailable.
    """
    cause = error.original_error
    if cause is None or isinstance(cause, GraphQLError):  # the latter: a variable of a wrong type
        return document_of(_refusal_of_query(error))
    refusal = refusal_of(cause)
    if isinstance(refusal, Unavailable):
        raise refusal
    if refusal is not None:
        return document_of(refusal)
    log.error("graphql_field_failed", error=type(cause).__name__, exc_info=cause)
    code, title = TITLES[CRASHED]
    return document(status=CRASHED, code=code, title=title, detail=f"{title} Quote the request id.")


def _refusal_of_query(error: GraphQLError) -> QueryMalformed | QueryInvalid | QueryTooLong:
    """The refusal of a query that GraphQL's own rules refuse."""
    if TOO_LONG in error.message:
        return QueryTooLong(f"A query may have {MAX_TOKENS} tokens.")
    if isinstance(error, GraphQLSyntaxError):
        return QueryMalformed(error.message)
    return QueryInvalid(error.message)
