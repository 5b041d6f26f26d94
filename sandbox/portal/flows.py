"""Deep links into the portal: one thing to do there, and where to go when it is done."""

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
"""The feature that each type of flow needs."""


def read_flow(
    tx: Transaction, configuration: Object, customer: str, sent: Params | None
) -> Object | None:
    """The session's ``flow``. Raises 400 for one that the customer could not go through."""
    if sent is None:
        return None
    type = sent["type"]
    if type not in FEATURES:
        raise invalid(f"The sandbox's portal has no `{type}` flow.", param="flow_data[type]")
    if not configuration["features"][FEATURES[type]]["enabled"]:
        raise invalid(
            f"This flow cannot be used because the feature `{FEATURES[type]}` in the portal "
            f"configuration `{configuration['id']}` is disabled.",
            param="flow_data[type]",
        )
    flow: Object = {
        "after_completion": _read_after_completion(
            sent.get("after_completion", {"type": "portal_homepage"})
        ),
        "customer_update": None,
        "subscription_cancel": None,
        "subscription_pause": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": type,
    }
    if type != "payment_method_update":
        flow[type] = _read_target(tx, configuration, customer, sent, f"flow_data[{type}]")
    return flow


def _read_after_completion(sent: Params) -> Object:
    if sent["type"] == "redirect" and "redirect" not in sent:
        raise missing_param("flow_data[after_completion][redirect]")
    confirmation = None
    if sent["type"] == "hosted_confirmation":
        confirmation = {"custom_message": None} | sent.get("hosted_confirmation", {})
    redirect = sent.get("redirect") if sent["type"] == "redirect" else None
    return {"hosted_confirmation": confirmation, "redirect": redirect, "type": sent["type"]}


def _read_target(
    tx: Transaction, configuration: Object, customer: str, sent: Params, param: str
) -> Object:
    type = sent["type"]
    if type not in sent:
        raise missing_param(param)
    target: Object = {"subscription": sent[type]["subscription"]}
    subscription = _find_subscription(
        tx, customer, target["subscription"], f"{param}[subscription]"
    )
    if type == "subscription_cancel":
        if "retention" in sent[type]:
            raise invalid("The sandbox's portal makes no offers.", param=f"{param}[retention]")
        _check_cancelable(subscription, f"{param}[subscription]")
        return target | {"retention": None}
    plan_changes.check_changeable(subscription, f"{param}[subscription]")
    if type == "subscription_update_confirm":
        return target | _read_confirmed_item(tx, configuration, subscription, sent[type], param)
    return target


def _find_subscription(tx: Transaction, customer: str, id: str, param: str) -> Object:
    subscription = tx.param_object("subscription", id, param=param)
    if subscription["customer"] != customer:
        raise invalid(
            f"The subscription `{id}` does not belong to the customer `{customer}`.", param=param
        )
    return subscription


def _check_cancelable(subscription: Object, param: str) -> None:
    if subscription["status"] not in plan_changes.RUNNING:
        raise invalid(f"This subscription is {subscription['status']}.", param=param)
    if subscription["cancel_at"]:
        raise invalid("This subscription is already set to be canceled.", param=param)


def _read_confirmed_item(
    tx: Transaction, configuration: Object, subscription: Object, sent: Params, param: str
) -> Object:
    """The one item that the customer is asked to confirm."""
    if "discounts" in sent:
        raise invalid("The sandbox's portal grants no discounts.", param=f"{param}[discounts]")
    if len(sent["items"]) != 1:
        raise invalid("You must pass exactly one item.", param=f"{param}[items]")
    (item,) = sent["items"]
    current = plan_changes.single_item(subscription)
    if item["id"] != current["id"]:
        raise invalid(f"No such subscription item: '{item['id']}'", param=f"{param}[items][0][id]")
    price = item.get("price", current["price"]["id"])
    quantity = item.get("quantity", current.get("quantity", 1))
    plan_changes.check_choice(
        tx, configuration, subscription, price, quantity, f"{param}[items][0]"
    )
    shown = {"id": item["id"], "price": item.get("price"), "quantity": item.get("quantity")}
    return {"discounts": None, "items": [copy(shown)]}
