"""Hosted pages."""

from billing.models import Checkout
from billing.representation.values import Json, moment, money
from billing.selectors import checkouts


def checkout(row: Checkout) -> Json:
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
        "lines": [
            {
                "price": line.price_id,
                "product": line.price.product_id,
                "quantity": line.quantity,
                "fulfilled_at": moment(line.fulfilled_at),
                "revoked_at": moment(line.revoked_at),
            }
            for line in row.lines.all()
        ],
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
        "payment": next((each.pk for each in row.payments.all()), None),
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
