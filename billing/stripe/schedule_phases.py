"""Parameters of a schedule's phases, built from the subscription and from existing phases.

An update of ``phases`` replaces all of them: Stripe unsets what is not sent. What applies to the
subscription in every phase (collection, tax, description) is sent as the schedule's
``default_settings``, so that a later change is made in one place. A phase holds the rest: items
with their discounts, tax rates and metadata, and discounts and default tax rates of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from billing.stripe.fields import Fields, reference

PLAIN = ("application_fee_percent", "collection_method", "description")
REFERENCES = ("default_payment_method", "on_behalf_of")
OF_ONE_PHASE = ("start_date", "end_date", "proration_behavior", "billing_cycle_anchor", "metadata")
DISCOUNT_NAMES = ("discount", "promotion_code", "coupon")
"""Members that can identify an entry of ``discounts``; an existing discount is preferred to a new
one."""
CHARGED_ITEM = ("discountable", "metadata", "period", "quantity")


def settings(holder: Fields) -> Fields:
    """Billing and collection settings as parameters; unset ones are left out.

    ``holder`` is a subscription, a phase, or the ``default_settings`` of a schedule.
    """
    params = {name: holder[name] for name in PLAIN if holder.get(name) is not None}
    params |= {name: reference(holder[name]) for name in REFERENCES if holder.get(name)}
    if tax := holder.get("automatic_tax"):
        params["automatic_tax"] = {"enabled": tax["enabled"], **_party(tax, "liability")}
    if thresholds := _without_nulls(holder.get("billing_thresholds")):
        params["billing_thresholds"] = thresholds
    if invoice_settings := _invoice_settings(holder):
        params["invoice_settings"] = invoice_settings
    if transfer := _without_nulls(holder.get("transfer_data")):
        params["transfer_data"] = {**transfer, "destination": reference(transfer["destination"])}
    return params


def running(subscription: Fields, phase: Fields, *, start: int, end: int) -> Fields:
    """The running phase, from ``start`` to ``end`` (Unix seconds), with the subscription's present
    items.

    ``phase`` is the running phase of the schedule. One-time charges of it are not charged again.
    """
    metadata = _metadata_in_force(phase, subscription)
    trial_end = subscription["trial_end"] if subscription["status"] == "trialing" else None
    anchor = phase.get("billing_cycle_anchor")
    return {
        "start_date": start,
        "end_date": end,
        "items": [item(each) for each in subscription["items"]["data"]],
        "proration_behavior": phase["proration_behavior"],
        **inherited(subscription),
        **({"metadata": metadata} if metadata else {}),
        **({"trial_end": trial_end} if trial_end else {}),
        **({"billing_cycle_anchor": anchor} if anchor else {}),
    }


def inherited(subscription: Fields) -> Fields:
    """Discounts and default tax rates that a phase must repeat for the subscription to keep
    them."""
    params: Fields = {}
    if discounts := discount_params(subscription.get("discounts")):
        params["discounts"] = discounts
    if rates := _references(subscription.get("default_tax_rates")):
        params["default_tax_rates"] = rates
    return params


def copy_phase(phase: Fields) -> Fields:
    """Parameters that repeat a phase that has not begun."""
    params = {name: phase[name] for name in OF_ONE_PHASE if phase.get(name)}
    if phase.get("trial_end") or phase.get("trial"):
        name = "trial_end" if phase.get("trial_end") else "trial"
        params[name] = phase[name]
    if invoice_items := [_charged_item(each) for each in phase.get("add_invoice_items") or ()]:
        params["add_invoice_items"] = invoice_items
    items = [item(each) for each in phase["items"]]
    return {**params, "items": items, **settings(phase), **inherited(phase)}


def changed_items(subscription: Fields, changes: Sequence[tuple[str, Fields]]) -> list[Fields]:
    """The subscription's items after ``changes``: pairs of an item's id and its ``price`` and
    ``quantity``.

    The id is empty for an item that is added. Everything else about an item stays as it is.
    """
    items_by_id = {each["id"]: each for each in subscription["items"]["data"]}
    return [_changed(items_by_id.get(item_id), billed) for item_id, billed in changes]


def item(fields: Fields) -> Fields:
    """An item of a subscription or a phase, as parameters of a phase's item."""
    params: Fields = {"price": reference(fields["price"])}
    if fields.get("quantity") is not None:
        params["quantity"] = fields["quantity"]
    if fields.get("metadata"):
        params["metadata"] = fields["metadata"]
    if thresholds := _without_nulls(fields.get("billing_thresholds")):
        params["billing_thresholds"] = thresholds
    if rates := _references(fields.get("tax_rates")):
        params["tax_rates"] = rates
    if discounts := discount_params(fields.get("discounts")):
        params["discounts"] = discounts
    return params


def discount_params(discounts: Iterable[Any] | None) -> list[Fields]:
    """Discounts as parameters.

    A subscription's discounts are ids or objects; those of a phase name a discount, promotion code
    or coupon.
    """
    return [_discount(each) for each in discounts or ()]


def _changed(current_item: Fields | None, new_values: Fields) -> Fields:
    if current_item is None:
        return new_values
    params = item(current_item)
    if params["price"] == new_values["price"]:
        return {**params, **new_values} if "quantity" in params else params
    price_specific = {"quantity", "billing_thresholds"}
    return {**{name: params[name] for name in params if name not in price_specific}, **new_values}


def _discount(entry: Any) -> Fields:
    if isinstance(entry, str):
        return {"discount": entry}
    if entry.get("object") == "discount":
        return {"discount": entry["id"]}
    name = next((name for name in DISCOUNT_NAMES if entry.get(name)), None)
    if name is None:
        raise ValueError("A discount names no discount, promotion code or coupon.")
    return {name: reference(entry[name])}


def _charged_item(fields: Fields) -> Fields:
    params = {
        name: _without_nulls(fields[name]) for name in CHARGED_ITEM if fields.get(name) is not None
    }
    params["price"] = reference(fields["price"])
    if period := fields.get("period"):
        params["period"] = {end: _without_nulls(period[end]) for end in ("start", "end")}
    if rates := _references(fields.get("tax_rates")):
        params["tax_rates"] = rates
    if discounts := discount_params(fields.get("discounts")):
        params["discounts"] = discounts
    return params


def _invoice_settings(holder: Fields) -> Fields:
    """A subscription has ``days_until_due`` itself; elsewhere it is among the invoice settings."""
    source = holder.get("invoice_settings") or {}
    params = {name: source[name] for name in ("description", "footer") if source.get(name)}
    if fields := source.get("custom_fields"):
        params["custom_fields"] = [
            {"name": each["name"], "value": each["value"]} for each in fields
        ]
    if ids := _references(source.get("account_tax_ids")):
        params["account_tax_ids"] = ids
    days = source.get("days_until_due", holder.get("days_until_due"))
    if days is not None:
        params["days_until_due"] = days
    return {**params, **_party(source, "issuer")}


def _party(fields: Fields, name: str) -> Fields:
    """The liable or issuing account: the platform itself or a connected account."""
    party = fields.get(name)
    if not party:
        return {}
    account = reference(party.get("account"))
    return {name: {"type": party["type"], **({"account": account} if account else {})}}


def _metadata_in_force(phase: Fields, subscription: Fields) -> Fields:
    """The phase's metadata keys with the subscription's values.

    Sending them changes nothing, although the subscription's metadata may have changed since the
    phase began.
    """
    metadata = subscription["metadata"] or {}
    return {key: metadata[key] for key in phase.get("metadata") or {} if key in metadata}


def _references(values: Iterable[Any] | None) -> list[str]:
    return [reference(value) or "" for value in values or ()]


def _without_nulls(value: Any) -> Any:
    """An object without members that are null; any other value unchanged."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if each is not None}
