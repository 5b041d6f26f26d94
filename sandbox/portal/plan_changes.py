"""Plan changes in the portal: offered prices, preview and update."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.billing import (
    billing_cycle,
    invoice_preview,
    invoices,
    pending_updates,
    pricing,
    subscription_items,
    subscription_schedules,
    subscription_updates,
)
from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

RUNNING = ("trialing", "active", "past_due", "unpaid")
INTERVAL_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


@dataclass(frozen=True)
class PlanChoice:
    """A chosen price and its quantity."""

    price: Object
    quantity: int


def check_changeable(subscription: Object, param: str | None = None) -> None:
    """Raise 400 for a subscription that the portal cannot change."""
    if subscription["status"] not in RUNNING:
        raise invalid(f"This subscription is {subscription['status']}.", param=param)
    if subscription["schedule"]:
        raise invalid(
            "This subscription cannot be updated because it is managed by the subscription "
            f"schedule `{subscription['schedule']}`.",
            param=param,
        )
    if subscription["cancel_at"]:
        raise invalid("This subscription is set to be canceled.", param=param)
    if len(subscription_items.list_items(subscription)) != 1:
        raise invalid(
            "This subscription cannot be updated because it has multiple items.", param=param
        )


def single_item(subscription: Object) -> Object:
    return subscription_items.list_items(subscription)[0]


def check_choice(
    tx: Transaction, configuration: Object, subscription: Object, price: str, quantity: int,
    param: str,
) -> PlanChoice:  # fmt: skip
    """Read a choice. Raises 400 if it is not offered or changes nothing."""
    feature = configuration["features"]["subscription_update"]
    current = single_item(subscription)
    chosen_price = tx.param_object("price", price, param=f"{param}[price]")
    if price != current["price"]["id"]:
        offered = "price" in feature["default_allowed_updates"]
        if not offered or price not in [
            each["id"] for each in list_offered_prices(tx, configuration, current)
        ]:
            raise invalid(
                f"The price `{price}` is not offered by the portal configuration "
                f"`{configuration['id']}`.",
                param=f"{param}[price]",
            )
    if quantity != current.get("quantity", 1):
        low, high = quantity_limits(configuration, chosen_price)
        if "quantity" not in feature["default_allowed_updates"] or not low <= quantity <= high:
            raise invalid(
                f"The quantity must be between {low} and {high}.", param=f"{param}[quantity]"
            )
    if price == current["price"]["id"] and quantity == current.get("quantity", 1):
        raise invalid("There is no change to confirm: this is the current plan.", param=param)
    return PlanChoice(chosen_price, quantity)


def list_offered_prices(tx: Transaction, configuration: Object, current: Object) -> list[Object]:
    """Prices that the customer may choose, in the order of the configuration."""
    price_ids = [
        price
        for offer in configuration["features"]["subscription_update"]["products"]
        for price in offer["prices"]
    ]
    offered = [tx.get("price", id) for id in price_ids]
    currency = current["price"]["currency"]
    return [
        price for price in offered if price and price["active"] and price["currency"] == currency
    ]


def quantity_limits(configuration: Object, price: Object) -> tuple[int, int]:
    """Minimum and maximum quantity of a price."""
    for offer in configuration["features"]["subscription_update"]["products"]:
        if offer["product"] == price["product"] and offer["adjustable_quantity"]["enabled"]:
            choice = offer["adjustable_quantity"]
            return choice["minimum"], choice["maximum"] or 999_999
    return 1, 999_999


def is_deferred_to_renewal(
    tx: Transaction, configuration: Object, subscription: Object, choice: PlanChoice
) -> bool:
    """Whether ``schedule_at_period_end`` defers this change to the renewal."""
    feature = configuration["features"]["subscription_update"]["schedule_at_period_end"]
    kinds = {condition["type"] for condition in feature["conditions"]}
    item = single_item(subscription)
    old = pricing.price_amount(tx, item["price"], item.get("quantity"))
    new = pricing.price_amount(tx, choice.price, choice.quantity)
    shorter = _interval_days(choice.price) < _interval_days(item["price"])
    return ("decreasing_item_amount" in kinds and new < old) or (
        "shortening_interval" in kinds and shorter
    )


def preview_change(
    tx: Transaction,
    configuration: Object,
    subscription: Object,
    choice: PlanChoice,
    proration_time: int,
) -> Object:
    """Preview the invoice of the change at this time; nothing is stored."""
    preview_tx = tx.dry_run()
    scratch_subscription = preview_tx.param_object(
        "subscription", subscription["id"], param="subscription"
    )
    if is_deferred_to_renewal(tx, configuration, subscription, choice):
        _schedule_change(preview_tx, scratch_subscription, choice)
        return invoice_preview.preview_upcoming(preview_tx, scratch_subscription)
    details = _update_params(configuration, scratch_subscription, choice, proration_time)
    return invoice_preview.preview_update(
        preview_tx, scratch_subscription, {invoice_preview.DETAILS_PARAM: details}
    )


def apply_change(
    tx: Transaction,
    configuration: Object,
    subscription: Object,
    choice: PlanChoice,
    proration_time: int,
) -> Object | None:
    """Apply the change. Returns an intent if the bank requires 3-D Secure first.

    Raises 402 without a change if the amount due now is not paid.
    """
    if is_deferred_to_renewal(tx, configuration, subscription, choice):
        _schedule_change(tx, subscription, choice)
        return None
    params = _update_params(configuration, subscription, choice, proration_time)
    params["payment_behavior"] = "pending_if_incomplete"
    subscription_updates.update_subscription(tx, subscription, params)
    record = pending_updates.find_update(tx, subscription)
    if record is None:
        return None
    invoice = tx.param_object("invoice", record["invoice"], param="invoice")
    intent = invoices.find_intent(tx, invoice)
    if intent and intent["status"] == "requires_action":
        return intent
    pending_updates.drop_update(tx, subscription)
    error = (intent or {}).get("last_payment_error") or {}
    raise StripeFailure(
        error.get("message", "There is no card to pay with. Add one and try again."),
        status=402,
        error_type="card_error",
        code=error.get("code"),
        keep_effects=True,
        decline_code=error.get("decline_code"),
    )


def _update_params(
    configuration: Object, subscription: Object, choice: PlanChoice, proration_time: int
) -> Params:
    """Parameters of the subscription update for a choice."""
    feature = configuration["features"]["subscription_update"]
    item = single_item(subscription)
    params: Params = {
        "items": [{"id": item["id"], "price": choice.price["id"], "quantity": choice.quantity}],
        "proration_behavior": feature["proration_behavior"],
    }
    if subscription["status"] == "trialing":
        if feature["trial_update_behavior"] == "end_trial":
            params["trial_end"] = "now"
        return params
    if feature["billing_cycle_anchor"] == "now":
        params["billing_cycle_anchor"] = {"type": "now"}
    if feature["proration_behavior"] != "none":
        params["proration_date"] = max(proration_time, item["current_period_start"])
    return params


def _schedule_change(tx: Transaction, subscription: Object, choice: PlanChoice) -> None:
    """Schedule the choice: the current phase until the renewal, then the chosen plan."""
    schedule = subscription_schedules.create_from_subscription(tx, subscription)
    (current_phase,) = schedule["phases"]
    kept_fields = ("items", "start_date", "end_date")
    first: Params = {name: current_phase[name] for name in kept_fields}
    first["items"] = [
        {name: item[name] for name in ("price", "quantity") if name in item}
        for item in current_phase["items"]
    ]
    if current_phase["trial_end"]:
        first["trial_end"] = current_phase["trial_end"]
    assert current_phase["end_date"] >= billing_cycle.next_renewal(subscription), (
        "a phase ends with its period"
    )
    second: Params = {
        "items": [{"price": choice.price["id"], "quantity": choice.quantity}],
        "proration_behavior": "none",
    }
    subscription_schedules.update_schedule(tx, schedule, {"phases": [first, second]})


def _interval_days(price: Object) -> int:
    recurring = price["recurring"]
    return int(INTERVAL_DAYS[recurring["interval"]] * recurring["interval_count"])
