"""The parts of the OpenAPI document that all operations share."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema

from common.api.permissions import required_scope
from common.api.problems import CONTENT_TYPE

DESCRIPTION = """Take money and ask “may this user do that?”: one service for every project.

**Authentication.** `Authorization: Bearer tg_…`: a secret key of your project or of one of its
apps, within its scopes. Another project's id is answered like one that does not exist. What lies
below `/billing` takes the signed-in user's own JWT instead, and the project's id in
`Tollgate-Project`.

**Conventions.** JSON only. Money is `{"amount": 2900, "currency": "usd"}`, in minor units. Times
are RFC 3339 in UTC. Unknown fields and parameters are refused.

**Errors** are `application/problem+json` (RFC 9457) with a stable `code`; `type` is the address
that explains it. Quote the `request_id` when you ask us.

**Repeating a request.** Send an `Idempotency-Key` with a POST, PATCH or DELETE and repeat it as
often as you like: for 24 hours the same request is carried out once and answered with the same
bytes (`Idempotent-Replayed: true`).

**Lists** come in pages, newest first: `{"data": […], "next": "…", "has_more": true}`."""

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "The address that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable error code."},
        "detail": {"type": "string", "description": "What to do next."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON pointer of the field, or # and the parameter.",
                    },
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Identifies the request: repeated with the same key, it is carried out once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"},
}


class TollgateSchema(AutoSchema):
    """Adds the query parameters and scopes that the view declares."""

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular calls it
        description: str = super().get_description() or ""
        scope = required_scope(self.view, self.method)
        return f"{description}\n\nScope: `{scope}`.".strip() if scope else description

    def get_override_parameters(self) -> list[Any]:
        query = getattr(self.view, "query", {})
        serializer = query.get(getattr(self.view, "action", "") or "")
        return [serializer] if serializer else []


def add_shared_parts(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add the problem document to all operations, and the idempotency key to all writes."""
    result["info"]["description"] = DESCRIPTION
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components.setdefault("parameters", {})["IdempotencyKey"] = IDEMPOTENCY_KEY
    refusal = {
        "description": "A problem document (RFC 9457).",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for method, operation in _operations(result):
        operation["responses"].setdefault("default", refusal)
        if method in ("post", "patch", "delete"):
            operation.setdefault("parameters", []).append(
                {"$ref": "#/components/parameters/IdempotencyKey"}
            )
    return result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in result.get("paths", {}).values():
        for method, operation in path.items():
            if isinstance(operation, dict) and "responses" in operation:
                yield method, operation
