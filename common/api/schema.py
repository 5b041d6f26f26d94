"""The parts of the OpenAPI document that all operations share."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import DictField, Serializer

from common.api.permissions import required_scope
from common.api.problems import CONTENT_TYPE

DESCRIPTION = """Charge your users through Stripe, and ask “may this user do that?”.

**Authentication.** Send `Authorization: Bearer tg_…` with a secret key of your project or of one of
its apps. A key can do what its scopes allow. An id of another project is answered like an id that
does not exist: 404. Paths below `/billing` take the signed-in user's own JWT instead of a key, and
your project's id in the header `Tollgate-Project`.

**Conventions.** Bodies are JSON. Money is `{"amount": 2900, "currency": "usd"}`; the amount is in
minor units (cents). Times are RFC 3339 in UTC. Unknown fields and query parameters are refused.

**Errors** are `application/problem+json` (RFC 9457). The `code` is stable; `type` is the address of
the page that explains it. Send us the `request_id` when you ask about an error.

**Repeated requests.** Send an `Idempotency-Key` with a POST, PATCH or DELETE. For 24 hours a
request with the same key and content is carried out once; every repetition gets the first response
again, byte for byte, with the header `Idempotent-Replayed: true`.

**Lists** are paginated, newest first: `{"data": […], "next": "…", "has_more": true}`. Send `next`
as `cursor` to get the next page."""

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "Address of the page that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable name of the error."},
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
                        "description": "JSON pointer to the field, or # and the query parameter.",
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
    "description": "Your name for this request. Repetitions with the same key are not carried out "
    "again.",
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
        return [serializer, *_pairs_of(serializer)] if serializer else []


def _pairs_of(serializer: type[Serializer[Any]]) -> Iterator[OpenApiParameter]:
    """The parameters like ``metadata[order]=17`` of a serializer of query parameters."""
    for name, field in serializer().fields.items():
        if isinstance(field, DictField):
            yield OpenApiParameter(
                name=name,
                type={"type": "object", "additionalProperties": {"type": "string"}},
                description=str(field.help_text),
                style="deepObject",
                explode=True,
            )


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
