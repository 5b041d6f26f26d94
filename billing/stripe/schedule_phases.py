"""Parameters of a schedule's phases, from the subscription as it is and from phases there are.

An update of ``phases`` replaces them whole: Stripe unsets what is not sent. What is true of the
subscription in every phase (how it is collected, taxed and described) is sent as the schedule's
``default_settings``, so that a later change of it is made in one place. A phase carries the rest:
items with their discounts, tax rates and metadata, its own discounts and default tax rates.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from billing.stripe.fields import Fields, reference

PLAIN = ("application_fee_percent", "collection_method", "description")
REFERENCES = ("default_payment_method", "on_behalf_of")
OF_ONE_PHASE = ("start_date", "end_date", "proration_behavior", "billing_cycle_anchor", "metadata")
DISCOUNT_NAMES = ("discount", "promotion_code", "coupon")
"""How an entry of ``discounts`` can be named; one that is there already goes before a new one."""
CHARGED_ITEM = ("discountable", "metadata", "period", "quantity")


def settings(holder: Fields) -> Fields:
    """How a subscription, the ``default_settings`` of a schedule or a phase is billed and
    collected, as parameters; what is not set is left out."""
    sent = {name: holder[name] for name in PLAIN if holder.get(name) is not None}
    sent |= {name: reference(holder[name]) for name in REFERENCES if holder.get(name)}
    if tax := holder.get("automatic_tax"):
        sent["automatic_tax"] = {"enabled": tax["enabled"], **_party(tax, "liability")}
    if thresholds := _without_nulls(holder.get("billing_thresholds")):
        sent["billing_thresholds"] = thresholds
    if invoice_settings := _invoice_settings(holder):
        sent["invoice_settings"] = invoice_settings
    if transfer := _without_nulls(holder.get("transfer_data")):
        sent["transfer_data"] = {**transfer, "destination": reference(transfer["destination"])}
    return sent


def running(subscription: Fields, phase: Fields, *, start: int, end: int) -> Fields:
    """The phase that runs, from ``start`` until ``end`` (Unix seconds), as the subscription is now.

    ``phase`` is how the schedule shows it. What it has charged once is not charged again.
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
    """What a phase has to say so that the subscription's discounts and tax rates stay."""
    sent: Fields = {}
    if discounts := discount_params(subscription.get("discounts")):
        sent["discounts"] = discounts
    if rates := _references(subscription.get("default_tax_rates")):
        sent["default_tax_rates"] = rates
    return sent


def again(phase: Fields) -> Fields:
    """A phase that has not begun, as it was planned."""
    sent = {name: phase[name] for name in OF_ONE_PHASE if phase.get(name)}
    if phase.get("trial_end") or phase.get("trial"):
        name = "trial_end" if phase.get("trial_end") else "trial"
        sent[name] = phase[name]
    if charged := [_charged_item(each) for each in phase.get("add_invoice_items") or ()]:
        sent["add_invoice_items"] = charged
    items = [item(each) for each in phase["items"]]
    return {**sent, "items": items, **settings(phase), **inherited(phase)}


def changed_items(subscription: Fields, wanted: Sequence[tuple[str, Fields]]) -> list[Fields]:
    """The subscription's items after a change: for each the id of the item there is (empty for one
    that is added), its ``price`` and its ``quantity``. All else about an item stays as it is."""
    held = {each["id"]: each for each in subscription["items"]["data"]}
    return [_changed(held.get(item_id), billed) for item_id, billed in wanted]


def item(fields: Fields) -> Fields:
    """An item of a subscription or of a phase, as an item of a phase."""
    sent: Fields = {"price": reference(fields["price"])}
    if fields.get("quantity") is not None:
        sent["quantity"] = fields["quantity"]
    if fields.get("metadata"):
        sent["metadata"] = fields["metadata"]
    if thresholds := _without_nulls(fields.get("billing_thresholds")):
        sent["billing_thresholds"] = thresholds
    if rates := _references(fields.get("tax_rates")):
        sent["tax_rates"] = rates
    if discounts := discount_params(fields.get("discounts")):
        sent["discounts"] = discounts
    return sent


def discount_params(discounts: Iterable[Any] | None) -> list[Fields]:
    """Discounts as they are sent: of a subscription they are ids or objects, of a phase they are
    named by the discount, the promotion code or the coupon."""
    return [_discount(each) for each in discounts or ()]


def _changed(held: Fields | None, billed: Fields) -> Fields:
    if held is None:
        return billed
    kept = item(held)
    if kept["price"] == billed["price"]:
        return {**kept, **billed} if "quantity" in kept else kept
    of_another_price = {"quantity", "billing_thresholds"}
    return {**{name: kept[name] for name in kept if name not in of_another_price}, **billed}


def _discount(entry: Any) -> Fields:
    if isinstance(entry, str):
        return {"discount": entry}
    if entry.get("object") == "discount":
        return {"discount": entry["id"]}
    name = next((name for name in DISCOUNT_NAMES if entry.get(name)), None)
    if name is None:
        raise ValueError("A discount is named by nothing that we know.")
    return {name: reference(entry[name])}


def _charged_item(fields: Fields) -> Fields:
    sent = {
        name: _without_nulls(fields[name]) for name in CHARGED_ITEM if fields.get(name) is not None
    }
    sent["price"] = reference(fields["price"])
    if period := fields.get("period"):
        sent["period"] = {end: _without_nulls(period[end]) for end in ("start", "end")}
    if rates := _references(fields.get("tax_rates")):
        sent["tax_rates"] = rates
    if discounts := discount_params(fields.get("discounts")):
        sent["discounts"] = discounts
    return sent


def _invoice_settings(holder: Fields) -> Fields:
    """``days_until_due`` stands on the subscription itself, and within these settings elsewhere."""
    held = holder.get("invoice_settings") or {}
    sent = {name: held[name] for name in ("description", "footer") if held.get(name)}
    if fields := held.get("custom_fields"):
        sent["custom_fields"] = [{"name": each["name"], "value": each["value"]} for each in fields]
    if ids := _references(held.get("account_tax_ids")):
        sent["account_tax_ids"] = ids
    days = held.get("days_until_due", holder.get("days_until_due"))
    if days is not None:
        sent["days_until_due"] = days
    return {**sent, **_party(held, "issuer")}


def _party(fields: Fields, name: str) -> Fields:
    """Who is liable or issues: the account itself, or a connected one."""
    party = fields.get(name)
    if not party:
        return {}
    account = reference(party.get("account"))
    return {name: {"type": party["type"], **({"account": account} if account else {})}}


def _metadata_in_force(phase: Fields, subscription: Fields) -> Fields:
    """The phase's keys with the subscription's values: sending them again changes nothing, though
    the subscription's metadata may have been changed since the phase began."""
    now = subscription["metadata"] or {}
    return {key: now[key] for key in phase.get("metadata") or {} if key in now}


def _references(values: Iterable[Any] | None) -> list[str]:
    return [reference(value) or "" for value in values or ()]


def _without_nulls(value: Any) -> Any:
    """An object without its members that are null; other values as they are."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if each is not None}
