"""Operations of plain Django views in the OpenAPI document: probes, and what Stripe and auth
services send. drf-spectacular finds only views of REST framework."""

from typing import Any

from common.api.problems import CONTENT_TYPE
from delivery.inbound.users import MessageResult

PROBES, INTAKE = "probes", "webhooks"
CHECK_NAMES = {"type": "string", "enum": ["ok", "degraded", "away"]}
CHECK: dict[str, Any] = {
    "type": "object",
    "description": "The state of one dependency.",
    "required": ["status"],
    "properties": {
        "status": CHECK_NAMES,
        "seconds": {"type": "number", "description": "Its delay."},
        "detail": {"type": "string", "description": "What does not work."},
        "lags": {
            "type": "object",
            "description": "Seconds since each periodic task became due.",
            "additionalProperties": {"type": "number"},
        },
    },
}
REPORT: dict[str, Any] = {
    "type": "object",
    "required": ["status", "checks"],
    "properties": {
        "status": CHECK_NAMES,
        "checks": {
            "type": "object",
            "additionalProperties": {"$ref": "#/components/schemas/HealthCheck"},
        },
    },
}
HEALTH: dict[str, Any] = {
    **REPORT,
    "required": ["version", "time", *REPORT["required"]],
    "properties": {
        "version": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        **REPORT["properties"],
    },
}
ALIVE: dict[str, Any] = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string", "enum": ["ok"]}},
}
RECEIVED: dict[str, Any] = {
    "type": "object",
    "required": ["received"],
    "properties": {"received": {"type": "boolean", "enum": [True]}},
}
SCHEMAS = {
    "Alive": ALIVE,
    "HealthCheck": CHECK,
    "HealthReport": REPORT,
    "Health": HEALTH,
    "DeliveryReceived": RECEIVED,
    "InboundResult": {
        "type": "object",
        "required": ["result"],
        "properties": {
            "result": {"type": "string", "enum": [result.value for result in MessageResult]}
        },
    },
}
PROJECT_ID = {
    "name": "project_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
}
PROJECT_HEADER = {
    "name": "Tollgate-Project",
    "in": "header",
    "required": True,
    "description": "Your project's id.",
    "schema": {"type": "string"},
}
STANDARD_WEBHOOK = [
    {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
]
TOKEN = {
    "name": "token",
    "in": "path",
    "required": True,
    "description": "It names the endpoint of a Stripe account (`webhook_url` of "
    "`GET /projects/{id}/stripe-account`).",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}
SIGNATURE = {
    "name": "Stripe-Signature",
    "in": "header",
    "required": True,
    "description": "Stripe's signature over the raw body, at most 300 seconds old.",
    "schema": {"type": "string"},
}


def add_plain_operations(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add them to the document. A hook of drf-spectacular."""
    result["components"]["schemas"].update(SCHEMAS)
    result["paths"].update(
        {
            "/live": _probe("live", "Is this process alive?", {200: "Alive"}, "Uses nothing else."),
            "/ready": _probe(
                "ready",
                "Can this process work?",
                {200: "HealthReport", 503: "HealthReport"},
                "503 while the database or a migration is missing. Without Redis, workers or "
                "Stripe it is only `degraded`.",
            ),
            "/health": _probe(
                "health",
                "What works, and what does not?",
                {200: "Health"},
                "The checks of `/ready` and the version; always 200.",
            ),
            **{
                f"{prefix}/webhooks/stripe{end}": {
                    "post": _intake(f"{name}_{suffix}", [TOKEN] if end else [])
                }
                for prefix, name in (("", "stripe_webhook"), ("/api/v1", "api_stripe_webhook"))
                for end, suffix in (("", "receive"), ("/{token}", "receive_by_token"))
            },
            "/api/v1/events/inbound": {"post": _user_event("events_inbound", PROJECT_HEADER)},
            "/api/v1/events/inbound/{project_id}": {
                "post": _user_event("events_inbound_of_project", PROJECT_ID)
            },
        }
    )
    return result


def _probe(name: str, summary: str, bodies: dict[int, str], description: str) -> dict[str, Any]:
    responses = {str(status): _json(component) for status, component in bodies.items()}
    return {
        "get": {
            "operationId": f"probe_{name}",
            "summary": summary,
            "description": description,
            "tags": [PROBES],
            "security": [{}],
            "responses": responses | {"default": _refusal()},
        }
    }


def _intake(operation_id: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "summary": "Receive an event of Stripe",
        "description": "The event is stored before the answer. After any other answer than 200 "
        "Stripe sends it again. 400 `signature-refused` for a wrong or old signature. Without a "
        "token: the platform's Stripe account.",
        "tags": [INTAKE],
        "security": [{}],
        "parameters": [*parameters, SIGNATURE],
        "requestBody": _event_body("An event as Stripe signs it, up to 1 MiB."),
        "responses": {"200": _json("DeliveryReceived"), "default": _refusal()},
    }


def _user_event(operation_id: str, project: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "summary": "Receive an event of your auth service",
        "description": "`user.created`, `user.updated` or `user.deleted`, signed as Standard "
        "Webhooks with the project's inbound secret. Other types are ignored.",
        "tags": ["events"],
        "security": [{}],
        "parameters": [project, *STANDARD_WEBHOOK],
        "requestBody": _event_body("A message of your auth service."),
        "responses": {"200": _json("InboundResult"), "default": _refusal()},
    }


def _event_body(description: str) -> dict[str, Any]:
    return {
        "required": True,
        "description": description,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }


def _json(component: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{component}"}
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def _refusal() -> dict[str, Any]:
    return {
        "description": "A problem document (RFC 9457).",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
