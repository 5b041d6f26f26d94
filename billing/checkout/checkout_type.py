"""Which kind of sale a request means when it does not say: decided from what it names and from
what the project sells, and told to the caller with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.checkout.orders import Line
from billing.errors import AmbiguousOrder, TypeNotSold, WrongPriceType
from billing.models.payment import PaymentType
from projects.models import Project

DOORS = {
    PaymentType.SUBSCRIPTION: "Only recurring prices are a subscription.",
    PaymentType.ITEM: "Only one-time prices are items.",
    PaymentType.CART: "Send a cart, or lines.",
    PaymentType.INTENT: "Send an amount.",
}
"""What each type is made of, for those who named one that does not fit."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What is sold, and why we think so; ``because`` is empty when the caller said it."""

    type: PaymentType
    because: str = ""

    def told(self) -> dict[str, str]:
        """As it is stored beside what was sold; empty when nothing was inferred."""
        return {"type": self.type.value, "because": self.because} if self.because else {}


def detect(
    *,
    project: Project,
    lines: Sequence[Line] = (),
    cart: object = None,
    amount: object = None,
    wanted: str | None = None,
) -> Detected:
    """The type of this sale. Of ``cart`` and ``amount`` it only matters whether they are there.

    Raises AmbiguousOrder when the request names nothing to sell, or two different things,
    WrongPriceType when it contradicts the type that it asks for, TypeNotSold.
    """
    if sum((bool(lines), cart is not None, amount is not None)) != 1:
        raise AmbiguousOrder("Send exactly one of price (or lines), cart and amount.", field="type")
    found = _of(lines, cart)
    if wanted is None:
        return _as_sold(project, found, is_a_cart=cart is not None)
    if not _fits(PaymentType(wanted), found.type, has_lines=bool(lines)):
        raise WrongPriceType(DOORS[PaymentType(wanted)], field="type")
    _check_sold(project, PaymentType(wanted))
    return Detected(PaymentType(wanted))


def _of(lines: Sequence[Line], cart: object) -> Detected:
    if cart is not None:
        return Detected(PaymentType.CART, "The request names a cart.")
    if not lines:
        return Detected(PaymentType.INTENT, "The request names an amount and no price.")
    recurring = {line.price.is_recurring for line in lines}
    if recurring == {True}:
        return Detected(PaymentType.SUBSCRIPTION, "Every price is recurring.")
    if recurring == {False}:
        return Detected(PaymentType.ITEM, "No price is recurring.")
    return Detected(PaymentType.CART, "Recurring and one-time prices are sold together.")


def _as_sold(project: Project, found: Detected, *, is_a_cart: bool) -> Detected:
    """The same, or a cart where that is all that the project sells."""
    if not project.sells or found.type == PaymentType.INTENT or found.type in project.sells:
        return found
    if PaymentType.CART in project.sells:
        return Detected(PaymentType.CART, f"{found.because} The project sells that in carts only.")
    if found.type == PaymentType.CART and not is_a_cart:
        raise AmbiguousOrder(
            "Recurring and one-time prices are sold together as a cart: add 'cart' to the "
            "project's sells, or send them in two requests.",
            field="lines",
        )
    _check_sold(project, found.type)
    return found


def _fits(wanted: PaymentType, found: PaymentType, *, has_lines: bool) -> bool:
    """Any lines may be sold as a cart."""
    return wanted == found or (wanted == PaymentType.CART and has_lines)


def _check_sold(project: Project, type: PaymentType) -> None:
    if type != PaymentType.INTENT and project.sells and type not in project.sells:
        raise TypeNotSold(f"Add {type.value!r} to the project's sells first.")
