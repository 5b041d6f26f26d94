"""Detect the type of a checkout from its prices and from the types that the project sells.

The caller gets the type together with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.checkout.orders import OrderLine
from billing.errors import AmbiguousOrder, TypeNotSold, WrongPriceType
from billing.models.payment import PaymentType
from projects.models import Project

TYPE_CONTENTS = {
    PaymentType.SUBSCRIPTION: "Only recurring prices are a subscription.",
    PaymentType.ITEM: "Only one-time prices are items.",
    PaymentType.CART: "Send a cart, or lines.",
    PaymentType.INTENT: "Send an amount.",
}
"""What a request of each type must contain: the detail of a WrongPriceType."""


@dataclass(frozen=True, slots=True)
class DetectedType:
    """The type and its reason; ``because`` is empty if the caller requested the type."""

    payment_type: PaymentType
    because: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the JSON to store; empty if the caller requested the type."""
        return {"type": self.payment_type.value, "because": self.because} if self.because else {}


def detect(
    *,
    project: Project,
    lines: Sequence[OrderLine] = (),
    cart: object = None,
    amount: object = None,
    requested_type: str | None = None,
) -> DetectedType:
    """Detect the type of an order of ``lines``, a ``cart`` or a bare ``amount``.

    ``cart`` and ``amount`` count as present if they are not None. Raises AmbiguousOrder unless
    exactly one of the three is present, WrongPriceType if the order does not fit
    ``requested_type``, TypeNotSold if the project does not sell the type.
    """
    if sum((bool(lines), cart is not None, amount is not None)) != 1:
        raise AmbiguousOrder("Send exactly one of price (or lines), cart and amount.", field="type")
    detected = _detect_type(lines, cart)
    if requested_type is None:
        return _fit_to_project(project, detected, is_a_cart=cart is not None)
    if not _can_be_sold_as(
        PaymentType(requested_type), detected.payment_type, has_lines=bool(lines)
    ):
        raise WrongPriceType(TYPE_CONTENTS[PaymentType(requested_type)], field="type")
    _check_sold(project, PaymentType(requested_type))
    return DetectedType(PaymentType(requested_type))


def _detect_type(lines: Sequence[OrderLine], cart: object) -> DetectedType:
    if cart is not None:
        return DetectedType(PaymentType.CART, "The request names a cart.")
    if not lines:
        return DetectedType(PaymentType.INTENT, "The request names an amount and no price.")
    recurring = {line.price.is_recurring for line in lines}
    if recurring == {True}:
        return DetectedType(PaymentType.SUBSCRIPTION, "Every price is recurring.")
    if recurring == {False}:
        return DetectedType(PaymentType.ITEM, "No price is recurring.")
    return DetectedType(PaymentType.CART, "Recurring and one-time prices are sold together.")


def _fit_to_project(project: Project, detected: DetectedType, *, is_a_cart: bool) -> DetectedType:
    """Return the detected type if the project sells it, else a cart if the project sells carts.

    Raises AmbiguousOrder, TypeNotSold.
    """
    if (
        not project.sells
        or detected.payment_type == PaymentType.INTENT
        or detected.payment_type in project.sells
    ):
        return detected
    if PaymentType.CART in project.sells:
        return DetectedType(
            PaymentType.CART, f"{detected.because} The project sells that in carts only."
        )
    if detected.payment_type == PaymentType.CART and not is_a_cart:
        raise AmbiguousOrder(
            "Recurring and one-time prices are sold together as a cart: add 'cart' to the "
            "project's sells, or send them in two requests.",
            field="lines",
        )
    _check_sold(project, detected.payment_type)
    return detected


def _can_be_sold_as(requested: PaymentType, detected: PaymentType, *, has_lines: bool) -> bool:
    """Return whether the types fit. Any lines can also be sold as a cart."""
    return requested == detected or (requested == PaymentType.CART and has_lines)


def _check_sold(project: Project, payment_type: PaymentType) -> None:
    if payment_type != PaymentType.INTENT and project.sells and payment_type not in project.sells:
        raise TypeNotSold(f"Add {payment_type.value!r} to the project's sells first.")
