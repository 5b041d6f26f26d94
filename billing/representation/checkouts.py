"""Hosted pages."""

from billing.models import Checkout
from billing.representation.values import Json, moment, money


def checkout(row: Checkout) -> Json:
    return {
        "id": row.pk,
        "type": row.type,
        "status": row.status,
        "payment_status": row.payment_status or None,
        "url": row.url or None,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "lines": [
            {
                "price": line.price_id,
                "product": line.price.product_id,
                "quantity": line.quantity,
            }
            for line in row.lines.all()
        ],
        "total": money(row.amount_total, row.currency),
        "trial_period_days": row.trial_period_days,
        "allow_promotion_codes": row.allow_promotion_codes,
        "success_url": row.success_url,
        "cancel_url": row.cancel_url or None,
        "payment": next((each.pk for each in row.payments.all()), None),
        "payment_stripe_id": row.payment_stripe_id or None,
        "subscription_stripe_id": row.subscription_stripe_id or None,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "expires_at": moment(row.expires_at),
        "completed_at": moment(row.completed_at),
        "created_at": moment(row.created_at),
    }
