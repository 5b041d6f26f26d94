"""Portal flows: deep links to one action, with a target after completion."""

from __future__ import annotations

from sandbox.errors import invalid, missing_param
from sandbox.objects import Object, Params, copy
from sandbox.portal import plan_changes
from sandbox.transaction import Transaction

FEATURES = {
    "payment_method_update": "payment_method_update",
    "subscription_cancel": "subscription_cancel",
    "subscription_update": "subscription_update",
    "subscription_update_confirm": "subscription_update",
}
"""The feature that a type of flow requires."""


def read_flow(
    tx: Transaction, configuration: Object, customer: str, params: Params | None
) -> Object | None:
    """Read the session's ``flow``. Raises 400 for a flow that the customer could not complete."""
    if params is None:
        return None
    flow_type = params["type"]
    if flow_type not in FEATURES:
        raise invalid(f"The sandbox's portal has no `{flow_type}` flow.", param="flow_data[type]")
    if not configuration["features"][FEATURES[flow_type]]["enabled"]:
        raise invalid(
            f"This flow cannot be used because the feature `{FEATURES[flow_type]}` in the portal "
            f"configuration `{configuration['id']}` is disabled.",
            param="flow_data[type]",
        )
    flow: Object = {
        "after_completion": _read_after_completion(
            params.get("after_completion", {"type": "portal_homepage"})
        ),
        "customer_update": None,
        "subscription_cancel": None,
        "subscription_pause": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": flow_type,
    }
    if flow_type != "payment_method_update":
        flow[flow_type] = _read_target(
            tx, configuration, customer, params, f"flow_data[{flow_type}]"
        )
    return flow


def _read_after_completion(params: Params) -> Object:
    if params["type"] == "redirect" and "redirect" not in params:
        raise missing_param("flow_data[after_completion][redirect]")
    confirmation = None
    if params["type"] == "hosted_confirmation":
        confirmation = {"custom_message": None} | params.get("hosted_confirmation", {})
    redirect = params.get("redirect") if params["type"] == "redirect" else None
    return {"hosted_confirmation": confirmation, "redirect": redirect, "type": params["type"]}


def _read_target(
    tx: Transaction, configuration: Object, customer: str, params: Params, param: str
) -> Object:
    flow_type = params["type"]
    if flow_type not in params:
        raise missing_param(param)
    target: Object = {"subscription": params[flow_type]["subscription"]}
    subscription = _find_subscription(
        tx, customer, target["subscription"], f"{param}[subscription]"
    )
    if flow_type == "subscription_cancel":
        if "retention" in params[flow_type]:
            raise invalid("The sandbox's portal makes no offers.", param=f"{param}[retention]")
        _check_cancelable(subscription, f"{param}[subscription]")
        return target | {"retention": None}
    plan_changes.check_changeable(subscription, f"{param}[subscription]")
    if flow_type == "subscription_update_confirm":
        return target | _read_confirmed_item(
            tx, configuration, subscription, params[flow_type], param
        )
    return target


def _find_subscription(tx: Transaction, customer: str, object_id: str, param: str) -> Object:
    subscription = tx.param_object("subscription", object_id, param=param)
    if subscription["customer"] != customer:
        raise invalid(
            f"The subscription `{object_id}` does not belong to the customer `{customer}`.",
            param=param,
        )
    return subscription


def _check_cancelable(subscription: Object, param: str) -> None:
    if subscription["status"] not in plan_changes.RUNNING:
        raise invalid(f"This subscription is {subscription['status']}.", param=param)
    if subscription["cancel_at"]:
        raise invalid("This subscription is already set to be canceled.", param=param)


def _read_confirmed_item(
    tx: Transaction, configuration: Object, subscription: Object, params: Params, param: str
) -> Object:
    """Read the item change that the customer is to confirm."""
    if "discounts" in params:
        raise invalid("The sandbox's portal grants no discounts.", param=f"{param}[discounts]")
    if len(params["items"]) != 1:
        raise invalid("You must pass exactly one item.", param=f"{param}[items]")
    (item,) = params["items"]
    current = plan_changes.single_item(subscription)
    if item["id"] != current["id"]:
        raise invalid(f"No such subscription item: '{item['id']}'", param=f"{param}[items][0][id]")
    price = item.get("price", current["price"]["id"])
    quantity = item.get("quantity", current.get("quantity", 1))
    plan_changes.check_choice(
        tx, configuration, subscription, price, quantity, f"{param}[items][0]"
    )
    confirmed_item = {
        "id": item["id"],
        "price": item.get("price"),
        "quantity": item.get("quantity"),
    }
    return {"discounts": None, "items": [copy(confirmed_item)]}
