"""Phases of a subscription schedule: items and settings from one date to another."""

from __future__ import annotations

from sandbox.billing import (
    billing_periods,
    invoice_settings,
    schedule_object,
    subscription_items,
    subscription_updates,
)
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, copy
from sandbox.resources import tax_rates
from sandbox.transaction import Transaction

UNSUPPORTED = (
    "add_invoice_items",
    "application_fee_percent",
    "billing_thresholds",
    "on_behalf_of",
    "transfer_data",
    "trial",
)
COPIED_PARAMS = ("collection_method", "description")
ITEM_UNSUPPORTED = ("billing_thresholds",)


def build_current_phase(subscription: Object) -> Object:
    """The current phase, built from the subscription; it ends with its period or ``cancel_at``."""
    current_items = subscription_items.list_items(subscription)
    phase = schedule_object.build_phase(
        currency=subscription["currency"],
        start=min(item["current_period_start"] for item in current_items),
        end=subscription["cancel_at"] or max(item["current_period_end"] for item in current_items),
        items=[
            schedule_object.build_item(
                item["price"]["id"],
                item.get("quantity"),
                item["metadata"],
                discounts=[
                    schedule_object.build_discount({"discount": id}) for id in item["discounts"]
                ],
                tax_rates=copy(item["tax_rates"]),
            )
            for item in current_items
        ],
    )
    phase["default_tax_rates"] = copy(subscription["default_tax_rates"])
    phase["discounts"] = [
        schedule_object.build_discount({"discount": id}) for id in subscription["discounts"]
    ]
    if subscription["status"] == "trialing":
        phase["trial_end"] = subscription["trial_end"]
    return phase


def read_phases(tx: Transaction, schedule: Object, phase_params: list[Params]) -> list[Object]:
    """Read ``phases`` of an update. Returns all phases, past ones included.

    Raises 400 for phases that omit the present, overlap or leave a gap.
    """
    if not phase_params:
        raise missing_param("phases")
    start = _read_first_start(tx, schedule, phase_params[0])
    all_phases = [phase for phase in copy(schedule["phases"]) if phase["start_date"] < start]
    for phase in all_phases[-1:]:
        phase["end_date"] = start
    for index, params in enumerate(phase_params):
        param = f"phases[{index}]"
        phase = _read_phase(
            tx, schedule, params, start, param, is_last=index == len(phase_params) - 1
        )
        all_phases.append(phase)
        start = phase["end_date"]
    if find_phase(all_phases, tx.now) is None and all_phases[-1]["end_date"] > tx.now:
        raise invalid("The phases must include the one that runs now.", param="phases")
    return all_phases


def find_phase(phases: list[Object], time: int) -> Object | None:
    """The phase at ``moment``, if any."""
    for phase in phases:
        if phase["start_date"] <= time < phase["end_date"]:
            return phase
    return None


def build_item_changes(subscription: Object, phase: Object) -> list[Params]:
    """The ``items`` parameter that changes the subscription to the phase's items.

    An item with the same price stays. Others are replaced in order and keep only their id.
    Discounts and tax rates are those of the phase.
    """
    items_by_price = {
        item["price"]["id"]: item for item in subscription_items.list_items(subscription)
    }
    changes, added = [], []
    for phase_item in phase["items"]:
        current_item = items_by_price.pop(phase_item["price"], None)
        if current_item is None:
            added.append(_item_params(phase_item))
        elif _is_changed(current_item, phase_item):
            changes.append({"id": current_item["id"], **_item_params(phase_item)})
    replaceable = list(items_by_price.values())
    replaced = [
        {"id": item["id"], **params, **_new_metadata(item, params)}
        for item, params in zip(replaceable, added, strict=False)
    ]
    deleted = [{"id": item["id"], "deleted": True} for item in replaceable[len(added) :]]
    return [*changes, *replaced, *deleted, *added[len(replaceable) :]]


def _is_changed(item: Object, phase_item: Object) -> bool:
    discount_ids = [discount["discount"] for discount in phase_item["discounts"]]
    return bool(
        item.get("quantity") != phase_item.get("quantity")
        or phase_item["metadata"]
        or item["tax_rates"] != phase_item["tax_rates"]
        or item["discounts"] != discount_ids
    )


def _item_params(item: Object) -> Params:
    params = {name: item[name] for name in ("price", "quantity", "metadata") if item.get(name)}
    return {
        **params,
        "discounts": [_discount_param(each) for each in item["discounts"]],
        "tax_rates": [rate["id"] for rate in item["tax_rates"]],
    }


def _new_metadata(item: Object, params: Params) -> Params:
    """Metadata of a replaced item: old keys are unset unless the new item has them."""
    unset = dict.fromkeys(item["metadata"], "")
    return {"metadata": {**unset, **params.get("metadata", {})}}


def _discount_param(discount: Object) -> Params:
    return {name: id for name, id in discount.items() if id}


def _read_first_start(tx: Transaction, schedule: Object, params: Params) -> int:
    start = params.get("start_date")
    if start is None:
        raise missing_param("phases[0][start_date]")
    if start == "now":
        return tx.now
    if start not in [phase["start_date"] for phase in schedule["phases"]]:
        raise invalid(
            "The first phase must begin when a phase of the schedule began, such as the current "
            f"one ({schedule['current_phase']['start_date']}), or `now`.",
            param="phases[0][start_date]",
        )
    return int(start)


def _read_phase(
    tx: Transaction, schedule: Object, params: Params, start: int, param: str, *, is_last: bool
) -> Object:
    _check_phase(params, schedule, start, param)
    phase_items = [
        _read_item(tx, item, f"{param}[items][{index}]")
        for index, item in enumerate(params["items"])
    ]
    prices = [tx.param_object("price", item["price"], param=param) for item in phase_items]
    currency = schedule["phases"][0]["currency"]
    if any(price["currency"] != currency for price in prices):
        raise invalid(
            f"All prices of this schedule must be in {currency}.", param=f"{param}[items]"
        )
    end = _read_end(tx, params, start, prices, param, is_last=is_last)
    phase = schedule_object.build_phase(currency=currency, start=start, end=end, items=phase_items)
    phase |= {
        **_read_settings(tx, schedule, params, param),
        "billing_cycle_anchor": params.get("billing_cycle_anchor"),
        "default_tax_rates": tax_rates.resolve_rates(
            tx, params.get("default_tax_rates") or [], param=f"{param}[default_tax_rates]"
        ),
        "discounts": [
            schedule_object.build_discount(each) for each in params.get("discounts") or []
        ],
        "metadata": params.get("metadata", {}),
        "proration_behavior": params.get("proration_behavior", "create_prorations"),
        "trial_end": params.get("trial_end"),
    }
    return phase


def _read_settings(tx: Transaction, schedule: Object, params: Params, param: str) -> Object:
    """The settings that the phase sends itself: payment method, collection, texts, tax."""
    settings: Object = {name: params[name] or None for name in COPIED_PARAMS if name in params}
    if params.get("default_payment_method"):
        customer = tx.param_object("customer", schedule["customer"], param="customer")
        settings["default_payment_method"] = subscription_updates.read_default_method(
            tx, customer, params
        )
    if "invoice_settings" in params:
        invoice_params = params["invoice_settings"]
        settings["invoice_settings"] = {
            **dict.fromkeys(("days_until_due", *invoice_settings.TEXT_FIELDS, "issuer")),
            **invoice_settings.read_settings(invoice_params, param=f"{param}[invoice_settings]"),
            **(
                {"days_until_due": invoice_params["days_until_due"]}
                if "days_until_due" in invoice_params
                else {}
            ),
        }
    if "automatic_tax" in params:
        settings["automatic_tax"] = _read_automatic_tax(params["automatic_tax"])
    return settings


def _read_automatic_tax(params: Params) -> Object:
    enabled = params["enabled"]
    liability = {"type": "self"} if enabled else None
    return {"disabled_reason": None, "enabled": enabled, "liability": liability}


def _check_phase(params: Params, schedule: Object, start: int, param: str) -> None:
    for name in UNSUPPORTED:
        if name in params:
            raise invalid(f"The sandbox does not support `{name}` here.", param=f"{param}[{name}]")
    start_date = params.get("start_date", start)
    if start_date not in (start, "now"):
        raise invalid(
            "A phase must begin when the one before it ends.", param=f"{param}[start_date]"
        )
    trials = [phase["trial_end"] for phase in schedule["phases"]]
    if params.get("trial_end") not in (None, *trials):
        raise invalid("The sandbox's schedules begin no trials.", param=f"{param}[trial_end]")
    if not params["items"]:
        raise missing_param(f"{param}[items]")


def _read_item(tx: Transaction, params: Params, param: str) -> Object:
    refuse_unsupported(params, *ITEM_UNSUPPORTED)
    price = subscription_items.read_recurring_price(tx, params, param)
    quantity = subscription_items.read_quantity(price, params, param)
    rates = params.get("tax_rates") or []
    return schedule_object.build_item(
        price["id"],
        quantity,
        params.get("metadata", {}),
        discounts=[schedule_object.build_discount(each) for each in params.get("discounts") or []],
        tax_rates=tax_rates.resolve_rates(tx, rates, param=f"{param}[tax_rates]"),
    )


def _read_end(
    tx: Transaction, params: Params, start: int, prices: list[Object], param: str, *, is_last: bool
) -> int:
    """End of the phase: ``end_date`` or ``duration``; for the last phase one period by default."""
    if "end_date" in params and "duration" in params:
        raise invalid(
            "You may only specify one of these parameters: end_date, duration.",
            param=f"{param}[duration]",
        )
    if "duration" in params:
        length = {"interval_count": 1} | params["duration"]
        end = billing_periods.period_boundary(start, length, 1)
    elif "end_date" in params:
        end = tx.now if params["end_date"] == "now" else int(params["end_date"])
    elif is_last:
        end = billing_periods.period_boundary(start, prices[0]["recurring"], 1)
    else:
        raise missing_param(f"{param}[end_date]")
    if end <= start:
        raise invalid("A phase must end after it begins.", param=f"{param}[end_date]")
    return end
