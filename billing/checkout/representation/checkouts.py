"""Response bodies of checkouts."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, TypedDict

from billing.access.selectors import line_receipts, purchased_rows
from billing.checkout.selectors import checkouts
from billing.models import Checkout, Payment
from billing.models.checkout import CheckoutType
from billing.representation.detected import DetectedBody
from common.bodies import MoneyBody, Time, money
from common.times import rfc3339


class CheckoutLineBody(TypedDict):
    id: Annotated[str, "Send it to refund this line."]
    price: str
    product: str
    quantity: int
    total: Annotated[MoneyBody | None, "With discounts and taxes. Null until the page is complete."]
    refunded: Annotated[MoneyBody, "Sum of the refunds that name this line."]
    fulfilled_at: Annotated[Time | None, "When the line was fulfilled: the buyer has paid it."]
    revoked_at: Annotated[Time | None, "When the line was revoked, such as by a refund."]


class CheckoutBody(TypedDict):
    """A hosted checkout page."""

    id: str
    type: Annotated[str, CheckoutType]
    detected: DetectedBody | None
    status: Annotated[str, "opening, open, complete or expired."]
    payment_status: Annotated[str | None, "Stripe's status: unpaid, paid or no_payment_required."]
    url: Annotated[str | None, "Hosted page, null unless it is open. Send the buyer there."]
    customer: str
    user_id: str
    cart: str | None
    lines: list[CheckoutLineBody]
    subtotal: MoneyBody | None
    discount: MoneyBody
    tax: MoneyBody
    total: Annotated[MoneyBody | None, "Due on the page, as Stripe computes it."]
    trial_period_days: int | None
    trial_without_card: bool
    trial_end_behavior: str | None
    allow_promotion_codes: bool
    promotion_code: Annotated[str | None, "Our id, promo_…"]
    coupon: Annotated[str | None, "Our id, cpn_…"]
    automatic_tax: bool
    tax_id_collection: bool
    save_payment_method: bool
    success_url: str
    cancel_url: str | None
    payment: Annotated[str | None, "Our id of the page's payment."]
    payment_stripe_id: str | None
    subscription: Annotated[str | None, "Our id of the subscription that the page created."]
    subscription_stripe_id: str | None
    invoice_stripe_id: str | None
    metadata: dict[str, str]
    stripe_id: str | None
    expires_at: Time | None
    completed_at: Time | None
    payment_failed_at: Annotated[
        Time | None, "When a complete page turned out not to be paid: its bank debit failed."
    ]
    created_at: Time


def checkout(row: Checkout) -> CheckoutBody:
    payments = checkouts.find_payments(checkout=row)
    return {
        "id": row.pk,
        "type": row.type,
        "detected": row.detected or None,
        "status": row.status,
        "payment_status": row.payment_status or None,
        "url": row.url or None,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "cart": row.cart_id,
        "lines": _lines(row, payments),
        "subtotal": money(row.amount_subtotal, row.currency),
        "discount": money(row.amount_discount, row.currency),
        "tax": money(row.amount_tax, row.currency),
        "total": money(row.amount_total, row.currency),
        "trial_period_days": row.trial_period_days,
        "trial_without_card": row.trial_without_card,
        "trial_end_behavior": row.trial_end_behavior or None,
        "allow_promotion_codes": row.allow_promotion_codes,
        "promotion_code": row.promotion_code_id,
        "coupon": row.coupon_id,
        "automatic_tax": row.automatic_tax,
        "tax_id_collection": row.tax_id_collection,
        "save_payment_method": row.save_payment_method,
        "success_url": row.success_url,
        "cancel_url": row.cancel_url or None,
        "payment": next((payment.pk for payment in payments), None),
        "payment_stripe_id": row.payment_stripe_id or None,
        "subscription": checkouts.find_subscription_id(checkout=row),
        "subscription_stripe_id": row.subscription_stripe_id or None,
        "invoice_stripe_id": row.invoice_stripe_id or None,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "expires_at": rfc3339(row.expires_at),
        "completed_at": rfc3339(row.completed_at),
        "payment_failed_at": rfc3339(row.payment_failed_at),
        "created_at": rfc3339(row.created_at),
    }


def _lines(row: Checkout, payments: Iterable[Payment]) -> list[CheckoutLineBody]:
    """Return the lines' bodies. ``total`` is null until the page is complete."""
    lines = purchased_rows.find_lines([row.pk])
    totals = line_receipts.totals_by_line(row, lines)
    refunded: Counter[str] = Counter()
    for payment in payments:
        refunded.update(payment.refunded_lines)
    return [
        {
            "id": line.pk,
            "price": line.price_id,
            "product": line.price.product_id,
            "quantity": line.quantity,
            "total": money(totals[line.pk] if row.line_totals else None, row.currency),
            "refunded": money(refunded[line.pk], row.currency),
            "fulfilled_at": rfc3339(line.fulfilled_at),
            "revoked_at": rfc3339(line.revoked_at),
        }
        for line in lines
    ]
