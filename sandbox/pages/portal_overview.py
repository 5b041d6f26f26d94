"""Data of the portal's first page: plans, payment method, invoices."""

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
from sandbox.pages.rendering import format_day
from sandbox.portal import plan_changes
from sandbox.transaction import Transaction

SHOWN_INVOICES = 12


@dataclass(frozen=True)
class PlanRow:
    id: str
    name: str
    price: str
    note: str
    is_bad: bool
    """Whether the note is shown as a warning."""
    can_change: bool
    can_cancel: bool
    undo: str
    """Label of the button that undoes a scheduled change; empty without a button."""


@dataclass(frozen=True)
class InvoiceRow:
    number: str
    date: str
    amount: str
    status: str
    url: str


def list_plans(tx: Transaction, configuration: Object, customer: str) -> list[PlanRow]:
    """The customer's subscriptions, newest first."""

    def shown(subscription: Object) -> bool:
        return bool(
            subscription["customer"] == customer
            and subscription["status"] in (*plan_changes.RUNNING, "paused")
        )

    subscriptions = tx.list_objects("subscription", shown)
    return [_plan_row(tx, configuration["features"], each) for each in reversed(subscriptions)]


def format_items(tx: Transaction, subscription: Object) -> str:
    """Names of the items: ``Pro`` or ``3 × Pro and Extra storage``."""
    return _join_names(
        [
            _format_quantity(pricing.find_product_name(tx, item["price"]), item.get("quantity"))
            for item in subscription_items.list_items(subscription)
        ]
    )


def format_price(tx: Transaction, price: Object, quantity: int | None) -> str:
    """Price of an item: ``$20.00 per month``."""
    interval = pricing.format_interval(price)
    rhythm = f"every {interval}" if interval[0].isdigit() else f"per {interval}"
    if pricing.is_metered(price):
        return f"{pricing.format_price(price)}, by usage"
    amount = pricing.price_amount(tx, price, quantity)
    return f"{money.format_amount(amount, price['currency'])} {rhythm}"


@dataclass(frozen=True)
class PaymentMethodRow:
    name: str
    last4: str
    expires: str


def find_method(tx: Transaction, customer: Object) -> PaymentMethodRow | None:
    """The customer's default payment method, else that of a subscription."""
    id = customer["invoice_settings"]["default_payment_method"]
    if id is None:
        for subscription in tx.list_objects(
            "subscription", lambda each: each["customer"] == customer["id"]
        ):
            if subscription["status"] in plan_changes.RUNNING:
                id = id or collection.subscription_method(tx, subscription)
    method = tx.get("payment_method", id) if id else None
    if method is None:
        return None
    details = method[method["type"]]
    if method["type"] == "card":
        expires = f"{details['exp_month']:02}/{details['exp_year']}"
        return PaymentMethodRow(details["brand"].title(), details["last4"], expires)
    return PaymentMethodRow(details.get("bank_name") or "Bank account", details["last4"], "")


def list_invoices(tx: Transaction, customer: str) -> list[InvoiceRow]:
    """The customer's finalized invoices, newest first."""

    def shown(invoice: Object) -> bool:
        return bool(invoice.get("customer") == customer and invoice["number"])

    newest = tx.list_objects("invoice", shown)[-SHOWN_INVOICES:]
    return [
        InvoiceRow(
            number=invoice["number"],
            date=format_day(invoice["status_transitions"]["finalized_at"]),
            amount=money.format_amount(invoice["total"], invoice["currency"]),
            status=invoice["status"],
            url=f"/pages/invoices/{invoice['id']}",
        )
        for invoice in reversed(newest)
    ]


def _plan_row(tx: Transaction, features: Object, subscription: Object) -> PlanRow:
    note, is_bad = _plan_note(tx, subscription)
    runs = subscription["status"] in plan_changes.RUNNING
    ends = bool(subscription["cancel_at"])
    return PlanRow(
        id=subscription["id"],
        name=format_items(tx, subscription),
        price=" and ".join(
            format_price(tx, item["price"], item.get("quantity"))
            for item in subscription_items.list_items(subscription)
        ),
        note=note,
        is_bad=is_bad,
        can_change=features["subscription_update"]["enabled"] and _is_changeable(subscription),
        can_cancel=features["subscription_cancel"]["enabled"] and runs and not ends,
        undo=_undo_label(tx, features, subscription) if runs else "",
    )


def _undo_label(tx: Transaction, features: Object, subscription: Object) -> str:
    if subscription["cancel_at"]:
        return "Don’t cancel" if features["subscription_cancel"]["enabled"] else ""
    if _find_next_phase(tx, subscription):
        return "Keep current plan" if features["subscription_update"]["enabled"] else ""
    return ""


def _is_changeable(subscription: Object) -> bool:
    try:
        plan_changes.check_changeable(subscription)
    except StripeFailure:
        return False
    return True


def _plan_note(tx: Transaction, subscription: Object) -> tuple[str, bool]:
    if subscription["status"] == "paused":
        return "Paused", False
    if subscription["status"] in ("past_due", "unpaid"):
        return "The last payment did not go through. Check your card.", True
    if subscription["cancel_at"]:
        return f"Cancels on {format_day(subscription['cancel_at'])}", True
    if following := _find_next_phase(tx, subscription):
        named = [
            _format_quantity(pricing.find_product_name(tx, price), item.get("quantity"))
            for item in following["items"]
            if (price := tx.get("price", item["price"]))
        ]
        return f"Changes to {_join_names(named)} on {format_day(following['start_date'])}", False
    renewal = format_day(billing_cycle.next_renewal(subscription))
    if subscription["status"] == "trialing":
        return f"Free until {renewal}", False
    return f"Renews on {renewal}", False


def _find_next_phase(tx: Transaction, subscription: Object) -> Object | None:
    schedule = tx.get(subscription_schedules.KIND, subscription["schedule"] or "")
    if schedule is None or not schedule["current_phase"]:
        return None
    return schedule_phases.find_phase(schedule["phases"], schedule["current_phase"]["end_date"])


def _format_quantity(name: str, quantity: int | None) -> str:
    return f"{quantity} × {name}" if (quantity or 1) > 1 else name


def _join_names(named: list[str]) -> str:
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
