"""Webhook endpoints and their signing secrets, which are shown once."""

from __future__ import annotations

from stripe.params import (
    WebhookEndpointCreateParams,
    WebhookEndpointDeleteParams,
    WebhookEndpointListParams,
    WebhookEndpointRetrieveParams,
    WebhookEndpointUpdateParams,
)

from sandbox import thin_events
from sandbox.errors import invalid, refuse_unsupported
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

SECRETS_RECORD = "_signing_secrets"
MAX_ENDPOINTS = 16
ROLL_OVERLAP_SECONDS = 24 * 3600


@routes.post("/v1/webhook_endpoints", WebhookEndpointCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "connect")
    live = tx.list_ids("webhook_endpoint", lambda endpoint: not endpoint.get("deleted"))
    if len(live) >= MAX_ENDPOINTS:
        raise invalid(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.")
    secret = f"whsec_{tx.world.ids.token(32)}"
    return {**_insert_endpoint(tx, params, secret), "secret": secret}


@routes.get("/v1/webhook_endpoints/<id>", WebhookEndpointRetrieveParams)
def retrieve(tx: Transaction, params: Params, endpoint_id: str) -> Object:
    return tx.path_object("webhook_endpoint", endpoint_id)


@routes.post("/v1/webhook_endpoints/<id>", WebhookEndpointUpdateParams)
def update(tx: Transaction, params: Params, endpoint_id: str) -> Object:
    endpoint = tx.path_object("webhook_endpoint", endpoint_id)
    _check_events(params)
    assign(endpoint, params, "description", "enabled_events", "url")
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    merge_metadata(endpoint, params.get("metadata"))
    return endpoint


@routes.get("/v1/webhook_endpoints", WebhookEndpointListParams)
def list_(tx: Transaction, params: Params) -> Object:
    return list_page(tx, "webhook_endpoint", params, url="/v1/webhook_endpoints")


@routes.delete("/v1/webhook_endpoints/<id>", WebhookEndpointDeleteParams)
def delete(tx: Transaction, params: Params, endpoint_id: str) -> Object:
    return tx.delete(tx.path_object("webhook_endpoint", endpoint_id))


def register_endpoint(
    tx: Transaction, *, url: str, secret: str, name: str | None = None, thin: bool = False
) -> Object:
    """Register an endpoint for all events with a known secret; one endpoint per name.

    ``thin``: a destination for thin events, as Stripe's dashboard creates. Registering the name
    again moves the endpoint to the URL, with its pending deliveries.
    """
    name = name or url
    for endpoint in tx.list_objects("webhook_endpoint", lambda each: _is_registered(each, name)):
        endpoint |= {"url": url, "status": "enabled"}
        tx.insert(_secrets_record(endpoint["id"], [{"secret": secret, "expires": None}]))
        return endpoint
    params = {"url": url, "enabled_events": ["*"], "metadata": {"registered_as": name[:500]}}
    endpoint = _insert_endpoint(tx, params, secret)
    if thin:
        tx.insert({"object": thin_events.DESTINATION, "id": endpoint["id"]})
    return endpoint


def _is_registered(endpoint: Object, name: str) -> bool:
    return bool(endpoint.get("metadata", {}).get("registered_as") == name[:500])


def roll_secret(tx: Transaction, endpoint_id: str, *, overlap: int = ROLL_OVERLAP_SECONDS) -> str:
    """Create a new secret; the old one keeps signing for ``overlap`` seconds.

    Returns the new one.
    """
    tx.path_object("webhook_endpoint", endpoint_id)
    secret = f"whsec_{tx.world.ids.token(32)}"
    expiring = [
        {"secret": each, "expires": tx.now + overlap} for each in list_live_secrets(tx, endpoint_id)
    ]
    old_secrets = expiring if overlap > 0 else []
    tx.insert(_secrets_record(endpoint_id, [{"secret": secret, "expires": None}, *old_secrets]))
    return secret


def list_live_secrets(tx: Transaction, endpoint_id: str) -> list[str]:
    """The secrets that sign now, newest first."""
    record = tx.get(SECRETS_RECORD, endpoint_id)
    secrets = record["secrets"] if record else []
    return [
        each["secret"] for each in secrets if each["expires"] is None or each["expires"] > tx.now
    ]


def _insert_endpoint(tx: Transaction, params: Params, secret: str) -> Object:
    _check_events(params)
    endpoint: Object = {
        "id": tx.new_id("we"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": tx.now,
        "description": None,
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": params["url"],
    }
    assign(endpoint, params, "description")
    merge_metadata(endpoint, params.get("metadata"))
    tx.insert(_secrets_record(endpoint["id"], [{"secret": secret, "expires": None}]))
    return tx.insert(endpoint)


def _secrets_record(endpoint: str, secrets: list[Object]) -> Object:
    return {"object": SECRETS_RECORD, "id": endpoint, "secrets": secrets}


def _check_events(params: Params) -> None:
    if "enabled_events" in params and not params["enabled_events"]:
        raise invalid("You must subscribe to at least one event.", param="enabled_events")
    if "*" in params.get("enabled_events", []) and len(params["enabled_events"]) > 1:
        raise invalid("`*` stands for all events: list it alone.", param="enabled_events")
