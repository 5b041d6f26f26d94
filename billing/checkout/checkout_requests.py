"""Values: a caller's request for a hosted page, and the checked order built from it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from billing.checkout.orders import OrderLine
from billing.models import Cart, Coupon, PromotionCode
from billing.models.checkout import CheckoutType

SHORTEST_OPEN, LONGEST_OPEN = timedelta(minutes=30), timedelta(hours=24)
"""Stripe's limits for the time that a page stays open."""
REQUEST_MARGIN, CLOCK_MARGIN = timedelta(minutes=2), timedelta(minutes=10)
"""Distance that we keep from these limits: a request may be slow, and Stripe's clock may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequest:
    """A caller's request for a hosted page.

    Either ``lines`` (pairs of price id and quantity) with ``user_id``, or ``cart`` (a cart's id,
    which implies the user). A flag that is None takes the project's setting. ``expires_in`` is in
    seconds. Two requests that differ only in ``purpose`` get two pages.
    """

    success_url: str
    user_id: str = ""
    lines: Sequence[tuple[str, int]] = ()
    cart: str = ""
    cancel_url: str = ""
    email: str = ""
    name: str = ""
    trial_period_days: int | None = None
    trial_without_card: bool = False
    trial_end_behavior: str = ""
    allow_promotion_codes: bool = False
    promotion_code: str = ""
    coupon: str = ""
    automatic_tax: bool | None = None
    tax_id_collection: bool | None = None
    save_payment_method: bool = False
    expires_in: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    purpose: str = ""
    workflow_id: str = ""


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A checked request: the rows that a page sells, and the id of the user who buys them."""

    request: CheckoutRequest
    user_id: str
    checkout_type: CheckoutType
    detected: dict[str, str]
    lines: list[OrderLine]
    cart: Cart | None
    promotion_code: PromotionCode | None
    coupon: Coupon | None

    @property
    def subscribed_products(self) -> set[str]:
        """Ids of the products that the buyer will be subscribed to."""
        return {line.price.product_id for line in self.lines if line.price.is_recurring}

    def fingerprint(self) -> list[Any]:
        """JSON values that are equal for two orders of a customer that one page can serve."""
        lines = [[line.price.pk, line.quantity] for line in self.lines]
        request = {**asdict(self.request), "lines": lines, "email": "", "name": ""}
        del request["workflow_id"]  # of the payment, which is the page's purpose
        return [self.checkout_type.value, request]


def compute_expires_at(*, request: CheckoutRequest, at: datetime) -> datetime:
    """Return the time at which the page closes: the requested one, moved into Stripe's limits."""
    seconds = request.expires_in
    open_for = LONGEST_OPEN if seconds is None else timedelta(seconds=seconds)
    shortest, longest = SHORTEST_OPEN + REQUEST_MARGIN, LONGEST_OPEN - CLOCK_MARGIN
    return at + min(max(open_for, shortest), longest)
