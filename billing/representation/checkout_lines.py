"""Bodies of events about the lines of checkouts."""

from typing import Annotated, TypedDict

from billing.models import CheckoutLine
from common.bodies import Time
from common.times import rfc3339


class PurchasedLineBody(TypedDict):
    """A line of a paid page: one price with its quantity."""

    id: str
    checkout: str
    price: str
    product: str
    quantity: int
    fulfilled_at: Annotated[Time | None, "When the line was fulfilled: the buyer has paid it."]
    revoked_at: Annotated[Time | None, "When the line was revoked, such as by a refund."]


def purchased_line(row: CheckoutLine) -> PurchasedLineBody:
    return {
        "id": row.pk,
        "checkout": row.checkout_id,
        "price": row.price_id,
        "product": row.price.product_id,
        "quantity": row.quantity,
        "fulfilled_at": rfc3339(row.fulfilled_at),
        "revoked_at": rfc3339(row.revoked_at),
    }
