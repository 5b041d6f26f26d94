"""Discounts: redeemed coupons and promotion codes, and the amounts that they take off.

A discount keeps the coupon's terms of its start: deleting the coupon does not change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sandbox.billing import billing_periods, pricing
from sandbox.errors import invalid, missing_param
from sandbox.objects import Object, Params
from sandbox.resources import coupons, promotion_codes
from sandbox.transaction import Transaction

TERMS = "_discount_terms"
MAX_DISCOUNTS = 20
"""Maximum number of discounts of a subscription or an invoice."""


@dataclass(frozen=True)
class DiscountableLine:
    """A line to which discounts apply; lines that are not positive get none."""

    amount: int
    product: str | None
    discountable: bool = True
    item: str | None = None
    """The subscription item of the line."""


@dataclass(frozen=True)
class DiscountChoice:
    """An entry of a ``discounts`` parameter: a coupon, a promotion code or an existing discount."""

    coupon: Object | None = None
    promotion_code: Object | None = None
    discount: Object | None = None

    @property
    def shown(self) -> Object:
        """The entry as a checkout session shows it."""
        if self.promotion_code:
            return {"coupon": None, "promotion_code": self.promotion_code["id"]}
        assert self.coupon, "sessions take only coupons and promotion codes"
        return {"coupon": self.coupon["id"], "promotion_code": None}


def read_choices(
    tx: Transaction,
    discount_params: list[Params] | str | None,
    *,
    customer: str | None = None,
    order_amount: tuple[int, str] | None = None,
    limit: int = MAX_DISCOUNTS,
    param: str = "discounts",
) -> list[DiscountChoice]:
    """Read a ``discounts`` parameter. Raises 400 if the customer cannot redeem an entry."""
    entries = discount_params or []
    assert not isinstance(entries, str), "the only valid string is the empty one"
    if len(entries) > limit:
        raise invalid(f"You can only specify up to {limit} discounts here.", param=param)
    return [
        _read_choice(tx, each, customer, order_amount, f"{param}[{index}]")
        for index, each in enumerate(entries)
    ]


def attach_discount(
    tx: Transaction,
    choice: DiscountChoice,
    *,
    customer: str,
    holder: Object,
    session: str | None = None,
) -> str:
    """Redeem the choice for a subscription, item or invoice. Returns the discount's id."""
    if choice.discount:
        return str(choice.discount["id"])
    assert choice.coupon, "a choice has a coupon or a discount"
    terms = coupons.read_terms(tx, choice.coupon)
    discount = tx.insert(_build_discount(tx, choice, customer, holder, session))
    if terms["duration"] == "repeating":
        discount["end"] = billing_periods.period_boundary(
            tx.now, {"interval": "month", "interval_count": 1}, terms["duration_in_months"]
        )
    item = discount["subscription_item"]
    tx.insert({"object": TERMS, "id": discount["id"], **terms, "subscription_item": item})
    tx.emit("customer.discount.created", discount)
    redeem_choice(tx, choice)
    return str(discount["id"])


def redeem_choice(tx: Transaction, choice: DiscountChoice) -> None:
    """Count one redemption of the coupon and of its promotion code."""
    if choice.promotion_code:
        promotion_codes.redeem_code(tx, choice.promotion_code)
    if choice.coupon:
        coupons.redeem_coupon(tx, choice.coupon)


def replace_discounts(
    tx: Transaction, holder: Object, choices: list[DiscountChoice], *, customer: str = ""
) -> None:
    """Replace the discounts of a subscription, item or invoice by these.

    ``customer`` is needed when the holder does not name it.
    """
    kept_ids = [choice.discount["id"] for choice in choices if choice.discount]
    unknown_ids = set(kept_ids) - set(holder["discounts"])
    if unknown_ids:
        raise invalid(f"No such discount: '{unknown_ids.pop()}'", param="discounts")
    for id in holder["discounts"]:
        if id not in kept_ids:
            tx.emit("customer.discount.deleted", tx.param_object("discount", id, param="discounts"))
    holder["discounts"] = [
        attach_discount(tx, choice, customer=customer or holder["customer"], holder=holder)
        for choice in choices
    ]


def list_active(tx: Transaction, holder: Object) -> list[str]:
    """Ids of the holder's discounts that apply to an invoice created now."""
    return [id for id in holder["discounts"] if not _has_ended(tx, id)]


def remove_used(tx: Transaction, subscription: Object, invoice: Object) -> None:
    """Remove ended discounts, and ``once`` discounts that reduced this invoice."""
    used = {each["discount"] for each in invoice["total_discount_amounts"] if each["amount"]}

    def is_spent(object_id: str) -> bool:
        return object_id in used and find_terms(tx, object_id)["duration"] == "once"

    for holder in (subscription, *subscription["items"]["data"]):
        holder["discounts"] = [id for id in list_active(tx, holder) if not is_spent(id)]


def find_terms(tx: Transaction, discount: str) -> Object:
    record = tx.get(TERMS, discount)
    assert record, "attach_discount inserts the terms"
    return record


def allocate(
    charges: Sequence[DiscountableLine], terms: Iterable[Object], currency: str
) -> list[list[int]]:
    """Amounts that each discount takes off each line, applied one after another.

    A discount is rounded once for all lines and then divided among them, exact to the minor unit.
    """
    remaining = [max(charge.amount, 0) if charge.discountable else 0 for charge in charges]
    amounts_by_term = []
    for each in terms:
        bases = [
            amount if _covers(each, charge) else 0
            for amount, charge in zip(remaining, charges, strict=True)
        ]
        shares = divide_by_weight(_discount_amount(sum(bases), each, currency), bases)
        remaining = [amount - share for amount, share in zip(remaining, shares, strict=True)]
        amounts_by_term.append(shares)
    return amounts_by_term


def divide_by_weight(total: int, weights: Sequence[int]) -> list[int]:
    """Divide the total by weight into integers; the rest goes to the largest remainders."""
    weight_sum = sum(weights)
    if not weight_sum:
        return [0 for _ in weights]
    parts = [total * weight // weight_sum for weight in weights]
    remainders = [total * weight % weight_sum for weight in weights]
    places_by_remainder = sorted(range(len(weights)), key=lambda place: -remainders[place])
    for index in places_by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _covers(terms: Object, charge: DiscountableLine) -> bool:
    of_item = terms.get("subscription_item")
    if of_item and of_item != charge.item:
        return False
    return not terms["products"] or charge.product in terms["products"]


def _discount_amount(base: int, terms: Object, currency: str) -> int:
    if terms["percent_off"] is not None:
        return pricing.round_amount(base * Decimal(str(terms["percent_off"])) / 100)
    if terms["currency"] != currency:
        return 0
    return min(int(terms["amount_off"]), base)


def _has_ended(tx: Transaction, object_id: str) -> bool:
    end = tx.param_object("discount", object_id, param="discounts")["end"]
    return end is not None and bool(end <= tx.now)


def _read_choice(
    tx: Transaction,
    entry: Params,
    customer: str | None,
    spends: tuple[int, str] | None,
    param: str,
) -> DiscountChoice:
    names = sorted(entry)
    if len(names) > 1:
        raise invalid(
            f"You may only specify one of these parameters: {', '.join(names)}.", param=param
        )
    if not names:
        raise missing_param(f"{param}[coupon]")
    id, param = entry[names[0]], f"{param}[{names[0]}]"
    match names[0]:
        case "discount":
            return DiscountChoice(discount=tx.param_object("discount", id, param=param))
        case "promotion_code":
            code = tx.param_object("promotion_code", id, param=param)
            return choose_promotion_code(
                tx, code, customer=customer, order_amount=spends, param=param
            )
    coupon = tx.param_object("coupon", id, param=param)
    coupons.check_redeemable(tx, coupon, param=param)
    return DiscountChoice(coupon)


def choose_promotion_code(
    tx: Transaction,
    promotion_code: Object,
    *,
    customer: str | None,
    order_amount: tuple[int, str] | None,
    param: str,
) -> DiscountChoice:
    """Read a promotion code. Raises 400 if the customer cannot redeem it for this amount."""
    promotion_codes.check_redeemable(
        tx, promotion_code, customer=customer, order_amount=order_amount, param=param
    )
    coupon = tx.param_object("coupon", promotion_code["promotion"]["coupon"], param=param)
    coupons.check_redeemable(tx, coupon, param=param)
    return DiscountChoice(coupon, promotion_code)


def _build_discount(
    tx: Transaction, choice: DiscountChoice, customer: str, holder: Object, session: str | None
) -> Object:
    assert choice.coupon, "a new discount has a coupon"
    return {
        "id": tx.new_id("di"),
        "object": "discount",
        "checkout_session": session,
        "customer": customer,
        "customer_account": None,
        "end": None,
        "invoice": holder["id"] if holder["object"] == "invoice" else None,
        "invoice_item": None,
        "promotion_code": choice.promotion_code and choice.promotion_code["id"],
        "source": {"coupon": choice.coupon["id"], "type": "coupon"},
        "start": tx.now,
        "subscription": holder["id"] if holder["object"] == "subscription" else None,
        "subscription_item": holder["id"] if holder["object"] == "subscription_item" else None,
    }
