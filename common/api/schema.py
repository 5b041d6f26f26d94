"""What the OpenAPI schema says about every operation beyond its own serializers."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from common.api.permissions import required_scope
from common.api.problems import CONTENT_TYPE

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable; see docs/errors.md."},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer of the field."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


class TollgateSchema(AutoSchema):
    """Adds the query parameters and the scope that the view itself declares."""

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular calls it
        description: str = super().get_description() or ""
        scope = required_scope(self.view, self.method)
        return f"{description}\n\nScope: `{scope}`." if scope else description

    def get_override_parameters(self) -> list[Any]:
        query = getattr(self.view, "query", {})
        serializer = query.get(getattr(self.view, "action", "") or "")
        return [serializer] if serializer else []


def add_problem_responses(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Every operation may answer with a problem document."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    refusal = {
        "description": "A problem document (RFC 9457).",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].setdefault("default", refusal)
    return result
