"""What the portal's first page says: plans, card, invoices, and what may be done about them."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import money
from sandbox.billing import (
    billing_cycle,
    collection,
    pricing,
    schedule_phases,
    subscription_items,
    subscription_schedules,
)
from sandbox.errors import StripeFailure
from sandbox.objects import Object
from sandbox.pages.rendering import day
from sandbox.portal import plan_changes
from sandbox.transaction import Transaction

SHOWN_INVOICES = 12


@dataclass(frozen=True)
class Plan:
    id: str
    name: str
    price: str
    note: str
    is_bad: bool
    """Whether the note is a warning."""
    can_change: bool
    can_cancel: bool
    undo: str
    """What the button says that takes a planned end or change back; empty: there is none."""


@dataclass(frozen=True)
class Invoice:
    number: str
    date: str
    amount: str
    status: str
    url: str


def plans_of(tx: Transaction, configuration: Object, customer: str) -> list[Plan]:
    """The customer's subscriptions, the newest first."""

    def shown(subscription: Object) -> bool:
        return bool(
            subscription["customer"] == customer
            and subscription["status"] in (*plan_changes.RUNNING, "paused")
        )

    found = tx.all("subscription", shown)
    return [_plan(tx, configuration["features"], each) for each in reversed(found)]


def names(tx: Transaction, subscription: Object) -> str:
    """``Pro`` or ``3 × Pro and Extra storage``."""
    return _listed(
        [
            _counted(pricing.product_name(tx, item["price"]), item.get("quantity"))
            for item in subscription_items.of(subscription)
        ]
    )


def price_of(tx: Transaction, price: Object, quantity: int | None) -> str:
    """``$20.00 per month``."""
    interval = pricing.interval(price)
    rhythm = f"every {interval}" if interval[0].isdigit() else f"per {interval}"
    if pricing.is_metered(price):
        return f"{pricing.written(price)}, by usage"
    return f"{money.written(pricing.amount(tx, price, quantity), price['currency'])} {rhythm}"


@dataclass(frozen=True)
class Method:
    name: str
    last4: str
    expires: str


def method_of(tx: Transaction, customer: Object) -> Method | None:
    """What pays: the customer's default card or account, else that of a subscription."""
    id = customer["invoice_settings"]["default_payment_method"]
    if id is None:
        for subscription in tx.all("subscription", lambda each: each["customer"] == customer["id"]):
            if subscription["status"] in plan_changes.RUNNING:
                id = id or collection.method_of(tx, subscription)
    method = tx.get("payment_method", id) if id else None
    if method is None:
        return None
    details = method[method["type"]]
    if method["type"] == "card":
        expires = f"{details['exp_month']:02}/{details['exp_year']}"
        return Method(details["brand"].title(), details["last4"], expires)
    return Method(details.get("bank_name") or "Bank account", details["last4"], "")


def invoices_of(tx: Transaction, customer: str) -> list[Invoice]:
    """What was billed, the newest first."""

    def shown(invoice: Object) -> bool:
        return bool(invoice.get("customer") == customer and invoice["number"])

    found = tx.all("invoice", shown)[-SHOWN_INVOICES:]
    return [
        Invoice(
            number=invoice["number"],
            date=day(invoice["status_transitions"]["finalized_at"]),
            amount=money.written(invoice["total"], invoice["currency"]),
            status=invoice["status"],
            url=f"/pages/invoices/{invoice['id']}",
        )
        for invoice in reversed(found)
    ]


def _plan(tx: Transaction, features: Object, subscription: Object) -> Plan:
    note, is_bad = _note(tx, subscription)
    runs = subscription["status"] in plan_changes.RUNNING
    ends = bool(subscription["cancel_at"])
    return Plan(
        id=subscription["id"],
        name=names(tx, subscription),
        price=" and ".join(
            price_of(tx, item["price"], item.get("quantity"))
            for item in subscription_items.of(subscription)
        ),
        note=note,
        is_bad=is_bad,
        can_change=features["subscription_update"]["enabled"] and _is_changeable(subscription),
        can_cancel=features["subscription_cancel"]["enabled"] and runs and not ends,
        undo=_undo(tx, features, subscription) if runs else "",
    )


def _undo(tx: Transaction, features: Object, subscription: Object) -> str:
    if subscription["cancel_at"]:
        return "Don’t cancel" if features["subscription_cancel"]["enabled"] else ""
    if _next_phase(tx, subscription):
        return "Keep current plan" if features["subscription_update"]["enabled"] else ""
    return ""


def _is_changeable(subscription: Object) -> bool:
    try:
        plan_changes.check_changeable(subscription)
    except StripeFailure:
        return False
    return True


def _note(tx: Transaction, subscription: Object) -> tuple[str, bool]:
    if subscription["status"] == "paused":
        return "Paused", False
    if subscription["status"] in ("past_due", "unpaid"):
        return "The last payment did not go through. Check your card.", True
    if subscription["cancel_at"]:
        return f"Cancels on {day(subscription['cancel_at'])}", True
    if following := _next_phase(tx, subscription):
        named = [
            _counted(pricing.product_name(tx, price), item.get("quantity"))
            for item in following["items"]
            if (price := tx.get("price", item["price"]))
        ]
        return f"Changes to {_listed(named)} on {day(following['start_date'])}", False
    renewal = day(billing_cycle.next_renewal(subscription))
    if subscription["status"] == "trialing":
        return f"Free until {renewal}", False
    return f"Renews on {renewal}", False


def _next_phase(tx: Transaction, subscription: Object) -> Object | None:
    schedule = tx.get(subscription_schedules.KIND, subscription["schedule"] or "")
    if schedule is None or not schedule["current_phase"]:
        return None
    return schedule_phases.at(schedule["phases"], schedule["current_phase"]["end_date"])


def _counted(name: str, quantity: int | None) -> str:
    return f"{quantity} × {name}" if (quantity or 1) > 1 else name


def _listed(named: list[str]) -> str:
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
