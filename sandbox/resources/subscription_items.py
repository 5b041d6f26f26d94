"""Routes of subscription items: each change is a subscription update."""

from __future__ import annotations

from stripe.params import (
    SubscriptionItemCreateParams,
    SubscriptionItemDeleteParams,
    SubscriptionItemListParams,
    SubscriptionItemRetrieveParams,
    SubscriptionItemUpdateParams,
)

from sandbox.billing import subscription_items, subscription_updates
from sandbox.errors import invalid, missing_param, no_such
from sandbox.objects import Object, Params
from sandbox.pagination import embed_list
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

SUBSCRIPTION_PARAMS = ("payment_behavior", "proration_behavior", "proration_date", "off_session")
MAX_LIMIT = 100


@routes.post("/v1/subscription_items", SubscriptionItemCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    subscription = tx.param_object("subscription", params["subscription"], param="subscription")
    item_params = {name: value for name, value in params.items() if name != "subscription"}
    _update_subscription(tx, subscription, item_params)
    return subscription_items.list_items(subscription)[-1]


@routes.get("/v1/subscription_items/<id>", SubscriptionItemRetrieveParams)
def retrieve(tx: Transaction, params: Params, item_id: str) -> Object:
    return _find_item(
        subscription_items.refresh_prices(tx, _find_subscription(tx, item_id)), item_id
    )


@routes.post("/v1/subscription_items/<id>", SubscriptionItemUpdateParams)
def update(tx: Transaction, params: Params, item_id: str) -> Object:
    subscription = _find_subscription(tx, item_id)
    _update_subscription(tx, subscription, {"id": item_id, **params})
    return _find_item(subscription, item_id)


@routes.delete("/v1/subscription_items/<id>", SubscriptionItemDeleteParams)
def delete(tx: Transaction, params: Params, item_id: str) -> Object:
    subscription = _find_subscription(tx, item_id)
    _update_subscription(tx, subscription, {"id": item_id, "deleted": True, **params})
    return {"id": item_id, "object": "subscription_item", "deleted": True}


@routes.get("/v1/subscription_items", SubscriptionItemListParams)
def list_(tx: Transaction, params: Params) -> Object:
    """List all items on one page: a subscription has at most twenty."""
    if "subscription" not in params:
        raise missing_param("subscription")
    for name in ("starting_after", "ending_before"):
        if name in params:
            raise invalid("The sandbox lists these items on one page.", param=name)
    limit = params.get("limit", 10)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"This value must be between 1 and {MAX_LIMIT}.", param="limit")
    subscription = tx.param_object("subscription", params["subscription"], param="subscription")
    items = subscription_items.list_items(subscription_items.refresh_prices(tx, subscription))
    return embed_list(items, url="/v1/subscription_items", limit=limit)


def _update_subscription(tx: Transaction, subscription: Object, params: Params) -> None:
    shared = {name: params[name] for name in SUBSCRIPTION_PARAMS if name in params}
    item_params = {name: value for name, value in params.items() if name not in shared}
    subscription_updates.update_subscription(tx, subscription, {"items": [item_params], **shared})


def _find_subscription(tx: Transaction, item_id: str) -> Object:
    def has_item(subscription: Object) -> bool:
        return any(item["id"] == item_id for item in subscription_items.list_items(subscription))

    for subscription in tx.list_objects("subscription", has_item):
        return subscription
    raise no_such("subscription_item", item_id, in_path=True)


def _find_item(subscription: Object, item_id: str) -> Object:
    return next(
        item for item in subscription_items.list_items(subscription) if item["id"] == item_id
    )
