"""Routes of events of the last 30 days, filtered by type, time and delivery success."""

from __future__ import annotations

from fnmatch import fnmatchcase

from stripe.params import EventListParams, EventRetrieveParams

from sandbox.errors import invalid, no_such
from sandbox.objects import Object, Params
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

RETENTION_SECONDS = 30 * 86400
MAX_TYPES = 20


@routes.get("/v1/events/<id>", EventRetrieveParams)
def retrieve(tx: Transaction, params: Params, event_id: str) -> Object:
    event = tx.path_object("event", event_id)
    if _is_past_retention(tx, event):
        raise no_such("event", event_id, in_path=True)
    return event


@routes.get("/v1/events", EventListParams)
def list_(tx: Transaction, params: Params) -> Object:
    patterns = _read_type_patterns(params)

    def wanted(event: Object) -> bool:
        if _is_past_retention(tx, event):
            return False
        arrived = event["pending_webhooks"] == 0
        return params.get("delivery_success", arrived) == arrived and any(
            fnmatchcase(event["type"], pattern) for pattern in patterns
        )

    return list_page(tx, "event", params, url="/v1/events", where=wanted)


def _read_type_patterns(params: Params) -> list[str]:
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.")
    types: list[str] = params.get("types", [])
    if len(types) > MAX_TYPES:
        raise invalid(f"You may pass at most {MAX_TYPES} types.", param="types")
    return types or [params.get("type", "*")]


def _is_past_retention(tx: Transaction, event: Object) -> bool:
    return bool(event["created"] < tx.now - RETENTION_SECONDS)
