"""Texts of the checkout page: merchant, lines, amounts due today and later."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import money
from sandbox.bank_accounts import ACCOUNTS, BankAccount
from sandbox.billing import pricing
from sandbox.billing.discounts import DiscountChoice
from sandbox.checkout import (
    billing_address,
    completion,
    fulfilment,
    session_amounts,
    session_records,
)
from sandbox.checkout.line_items import is_recurring
from sandbox.objects import Object
from sandbox.pages.rendering import format_day
from sandbox.transaction import Transaction

ADVERBS = {"day": "daily", "week": "weekly", "month": "monthly", "year": "yearly"}


@dataclass(frozen=True)
class SummaryLine:
    id: str
    name: str
    detail: str
    amount: str
    quantity: int | None
    least: int | None
    most: int | None
    """``least`` and ``most`` are set where the buyer may change the quantity."""


@dataclass(frozen=True)
class CheckoutSummary:
    merchant: str
    heading: str
    amount: str
    note: str
    lines: list[SummaryLine]
    subtotal: str
    discounts: list[tuple[str, str]]
    """Name of each discount and its amount."""
    takes_codes: bool
    tax: str
    """Empty without automatic tax."""
    asks_address: bool
    total: str
    button: str
    terms: str
    collects_card: bool
    """Whether the page collects a payment method."""
    takes_cards: bool
    accounts: list[BankAccount]
    """The offered test bank accounts."""


def summarise_session(tx: Transaction, session: Object) -> CheckoutSummary:
    items = [] if session["mode"] == "setup" else session_records.list_items(tx, session)
    recurring = [item for item in items if is_recurring(item)]
    trial_end = (
        fulfilment.read_trial_end(tx, session_records.find_record(tx, session))
        if recurring
        else None
    )
    merchant = merchant_name(tx, session)
    total = money.format_amount(session["amount_total"] or 0, session["currency"])
    due_later = _due_later(tx, recurring) + _later_reductions(session) if recurring else ""
    return CheckoutSummary(
        merchant=merchant,
        heading=_heading(session, items, merchant),
        amount=_headline(tx, session, recurring, trial_end, total),
        note=_later_text(due_later, trial_end, differs=len(recurring) < len(items)),
        lines=[_summary_line(tx, item, trial_end) for item in items],
        subtotal=money.format_amount(session["amount_subtotal"] or 0, session["currency"]),
        discounts=_discount_rows(tx, session),
        takes_codes=bool(session["allow_promotion_codes"]) and not session["discounts"],
        tax=_tax_text(session),
        asks_address=billing_address.is_collected(tx, session),
        total=total,
        button=_button_text(session, trial_end, total),
        terms=_terms_text(session, merchant),
        collects_card=completion.collects_card(session),
        takes_cards="card" in session["payment_method_types"],
        accounts=list_offered_accounts(session),
    )


def list_offered_accounts(session: Object) -> list[BankAccount]:
    types = session["payment_method_types"]
    return [account for account in ACCOUNTS if account.type in types]


def merchant_name(tx: Transaction, session: Object) -> str:
    branding = session.get("branding_settings") or {}
    account = tx.param_object("account", tx.account, param="account")
    name: str = branding.get("display_name") or account["settings"]["dashboard"]["display_name"]
    return name


def _heading(session: Object, items: list[Object], merchant: str) -> str:
    match session["mode"]:
        case "setup":
            return f"Save a card with {merchant}"
        case "subscription":
            first = next(item for item in items if is_recurring(item))
            return f"Subscribe to {first['description']}"
    return str(items[0]["description"]) if len(items) == 1 else f"Pay {merchant}"


def _headline(
    tx: Transaction, session: Object, recurring: list[Object], trial_end: int | None, total: str
) -> str:
    if session["mode"] == "setup":
        return "Nothing to pay"
    if trial_end is not None and not session["amount_total"]:
        days = round((trial_end - tx.now) / 86400)
        return f"{days} {'day' if days == 1 else 'days'} free"
    return total


def _due_later(tx: Transaction, recurring: list[Object]) -> str:
    """Recurring amounts: ``$20.00 per month``, joined by "and"."""
    sums: dict[tuple[str, str], int] = {}
    for item in recurring:
        key = (item["currency"], pricing.format_interval(item["price"]))
        amount = pricing.price_amount(tx, item["price"], item["quantity"])
        sums[key] = sums.get(key, 0) + amount
    parts = [
        f"{money.format_amount(amount, currency)} {_per_interval(interval)}"
        for (currency, interval), amount in sums.items()
    ]
    metered = any(pricing.is_metered(item["price"]) for item in recurring)
    return " and ".join(parts) + (", plus what you use" if metered else "")


def _discount_rows(tx: Transaction, session: Object) -> list[tuple[str, str]]:
    discount = -session["total_details"]["amount_discount"]
    written = money.format_amount(discount, session["currency"])
    return [
        (_discount_label(choice), written)
        for choice in session_amounts.list_discount_choices(tx, session)
    ]


def _tax_text(session: Object) -> str:
    if not session["automatic_tax"]["enabled"]:
        return ""
    if session["automatic_tax"]["status"] != "complete":
        return "Depends on your address"
    return money.format_amount(session["total_details"]["amount_tax"], session["currency"])


def _discount_label(choice: DiscountChoice) -> str:
    if choice.promotion_code:
        return str(choice.promotion_code["code"])
    assert choice.coupon, "sessions take only coupons and promotion codes"
    return str(choice.coupon["name"] or choice.coupon["id"])


def _later_reductions(session: Object) -> str:
    """Text that amounts are before discount or tax; later values depend on their duration and
    rates."""
    details = session["total_details"]
    names = [noun for noun in ("discount", "tax") if details[f"amount_{noun}"]]
    return f", before {' and '.join(names)}" if names else ""


def _later_text(due_later: str, trial_end: int | None, *, differs: bool) -> str:
    """Text of the later amounts. ``differs``: today's total differs from them."""
    if not due_later:
        return ""
    if trial_end is not None:
        return f"Then {due_later}, from {format_day(trial_end)}"
    return f"Then {due_later}" if differs else due_later


def _per_interval(interval: str) -> str:
    return f"every {interval}" if interval[0].isdigit() else f"per {interval}"


def _summary_line(tx: Transaction, item: Object, trial_end: int | None) -> SummaryLine:
    choice = item["adjustable_quantity"] or {}
    return SummaryLine(
        id=item["id"],
        name=str(item["description"]),
        detail=_line_detail(item, trial_end),
        amount=_line_amount(tx, item, trial_end),
        quantity=item["quantity"],
        least=max(choice["minimum"], 1) if choice else None,
        most=choice["maximum"] if choice else None,
    )


def _line_detail(item: Object, trial_end: int | None) -> str:
    price = item["price"]
    parts = []
    if item["adjustable_quantity"]:
        parts.append(_unit_price_text(price))
    elif (item["quantity"] or 1) > 1:
        parts.append(f"Quantity {item['quantity']}, {_unit_price_text(price)}")
    if is_recurring(item):
        parts.append(
            f"Billed {_billing_rhythm(price)}{' by usage' if pricing.is_metered(price) else ''}"
        )
    if trial_end is not None and is_recurring(item):
        parts.append(f"free until {format_day(trial_end)}")
    return " · ".join(parts)


def _unit_price_text(price: Object) -> str:
    exact = price["unit_amount"]
    return "tiered" if exact is None else f"{money.format_amount(exact, price['currency'])} each"


def _billing_rhythm(price: Object) -> str:
    recurring = price["recurring"]
    if recurring["interval_count"] == 1:
        return ADVERBS[recurring["interval"]]
    return f"every {pricing.format_interval(price)}"


def _line_amount(tx: Transaction, item: Object, trial_end: int | None) -> str:
    price = item["price"]
    if pricing.is_metered(price):
        return pricing.format_price(price)
    if trial_end is not None and is_recurring(item):
        later = pricing.price_amount(tx, price, item["quantity"])
        return f"{money.format_amount(later, item['currency'])} / {pricing.format_interval(price)}"
    return money.format_amount(item["amount_subtotal"], item["currency"])


def _button_text(session: Object, trial_end: int | None, total: str) -> str:
    match session["mode"]:
        case "setup":
            return "Save card"
        case "subscription":
            return "Subscribe" if trial_end is None else "Start trial"
    if not session["amount_total"]:
        return "Complete order"
    verb = {"book": "Book", "donate": "Donate"}.get(session["submit_type"] or "", "Pay")
    return f"{verb} {total}"


def _terms_text(session: Object, merchant: str) -> str:
    match session["mode"]:
        case "setup":
            return f"By saving your card, you allow {merchant} to charge it for future payments."
        case "subscription":
            return (
                f"By confirming, you allow {merchant} to charge your card for future payments "
                "until you cancel."
            )
    return ""
