"""Scheduled cancellation: ``cancel_at_period_end`` and ``cancel_at``."""

from __future__ import annotations

from sandbox.billing import subscription_items
from sandbox.errors import invalid
from sandbox.objects import Object, Params, assign
from sandbox.transaction import Transaction


def apply_params(tx: Transaction, subscription: Object, params: Params) -> None:
    """Apply the cancellation parameters. Raises 400 for an invalid date."""
    assign(
        subscription["cancellation_details"],
        params.get("cancellation_details", {}),
        "comment",
        "feedback",
    )
    if "cancel_at" in params and "cancel_at_period_end" in params:
        raise invalid(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
            param="cancel_at",
        )
    if "cancel_at_period_end" in params:
        _set_at_period_end(tx, subscription, params["cancel_at_period_end"])
    elif subscription["cancel_at_period_end"] and "cancel_at" not in params:
        subscription["cancel_at"] = _last_period_end(subscription)
    elif "cancel_at" in params:
        _set_cancel_at(tx, subscription, _read_cancel_at(tx, subscription, params["cancel_at"]))
        subscription["cancel_at_period_end"] = False


def _set_at_period_end(tx: Transaction, subscription: Object, cancels: bool) -> None:
    if cancels == subscription["cancel_at_period_end"]:
        return
    if cancels:
        _set_cancel_at(tx, subscription, _last_period_end(subscription))
    else:
        _set_cancel_at(tx, subscription, None)
    subscription["cancel_at_period_end"] = cancels


def _set_cancel_at(tx: Transaction, subscription: Object, cancel_at: int | None) -> None:
    if cancel_at is None:
        subscription |= {"cancel_at": None, "canceled_at": None}
        subscription["cancellation_details"]["reason"] = None
        return
    subscription |= {"cancel_at": cancel_at, "canceled_at": tx.now}
    subscription["cancellation_details"]["reason"] = "cancellation_requested"


def _read_cancel_at(tx: Transaction, subscription: Object, value: int | str) -> int | None:
    match value:
        case "":
            return None
        case "min_period_end":
            return min(_period_ends(subscription))
        case "max_period_end":
            return _last_period_end(subscription)
        case int() if value > tx.now:
            return value
    raise invalid("`cancel_at` must be a moment in the future.", param="cancel_at")


def _last_period_end(subscription: Object) -> int:
    return max(_period_ends(subscription))


def _period_ends(subscription: Object) -> list[int]:
    return [item["current_period_end"] for item in subscription_items.list_items(subscription)]
