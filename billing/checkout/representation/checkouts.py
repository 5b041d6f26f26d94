"""Hosted pages."""

from collections import Counter
from collections.abc import Iterable

from billing.access.selectors import line_receipts
from billing.checkout.selectors import checkouts
from billing.models import Checkout, Payment
from billing.representation.values import Json, moment, money


def checkout(row: Checkout) -> Json:
    payments = list(row.payments.all())
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
        "payment": next((each.pk for each in payments), None),
        "payment_stripe_id": row.payment_stripe_id or None,
        "subscription": checkouts.subscription_id(checkout=row),
        "subscription_stripe_id": row.subscription_stripe_id or None,
        "invoice_stripe_id": row.invoice_stripe_id or None,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "expires_at": moment(row.expires_at),
        "completed_at": moment(row.completed_at),
        "created_at": moment(row.created_at),
    }


def _lines(row: Checkout, payments: Iterable[Payment]) -> list[Json]:
    """``total`` is empty until the page is complete."""
    lines = list(row.lines.all())
    totals = line_receipts.totals(row, lines)
    refunded: Counter[str] = Counter()
    for each in payments:
        refunded.update(each.refunded_lines)
    return [
        {
            "id": line.pk,
            "price": line.price_id,
            "product": line.price.product_id,
            "quantity": line.quantity,
            "total": money(totals[line.pk] if row.line_totals else None, row.currency),
            "refunded": money(refunded[line.pk], row.currency),
            "fulfilled_at": moment(line.fulfilled_at),
            "revoked_at": moment(line.revoked_at),
        }
        for line in lines
    ]
