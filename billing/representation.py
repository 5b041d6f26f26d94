"""What a tenant sees of each row, the same in an API answer and in an event: plain JSON values.

Times are RFC 3339 in UTC, money is minor units and a currency. Rows that come in lists are loaded
by the selectors with everything that is named here, so that no row costs a query of its own.
"""

from datetime import datetime
from typing import Any

from billing.models import (
    Checkout,
    Invoice,
    InvoiceLine,
    Payment,
    Price,
    Product,
    Refund,
    StripeAccount,
    StripeEndpoint,
    Subscription,
    SubscriptionItem,
)
from common.times import rfc3339

Json = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if value is None else rfc3339(value)


def money(amount: int | None, currency: str) -> Json | None:
    """``{"amount": 2900, "currency": "usd"}``; None while the amount is not known."""
    return None if amount is None else {"amount": amount, "currency": currency}


def stripe_account(row: StripeAccount, *, endpoint: StripeEndpoint | None, public_url: str) -> Json:
    """Never its secrets. Of the platform's shared account only that it is shared."""
    own = endpoint if not row.is_shared else None
    return {
        "id": row.pk,
        "is_shared": row.is_shared,
        "name": row.name,
        "livemode": row.livemode,
        "stripe_id": row.stripe_id or None,
        "secret_key_last_four": row.secret_key_last_four or None,
        "webhook_url": f"{public_url}/webhooks/stripe/{own.token}" if own else None,
        "signing_secrets": len(own.secrets) if own else None,
    }


def product(row: Product) -> Json:
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "active": row.active,
        "features": [
            {"feature": each.feature.code, "kind": each.feature.kind, "value": each.value}
            for each in sorted(row.features.all(), key=lambda each: each.feature.code)
        ],
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }


def price(row: Price) -> Json:
    return {
        "id": row.pk,
        "product": row.product_id,
        "nickname": row.nickname,
        "type": row.type,
        "unit_amount": money(row.unit_amount, row.currency),
        "interval": row.interval or None,
        "interval_count": row.interval_count if row.is_recurring else None,
        "active": row.active,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }


def plan(row: Product) -> Json:
    """A product together with the prices by which one can subscribe to it (``row.plan_prices``)."""
    prices: list[Price] = row.plan_prices  # type: ignore[attr-defined]  # selectors.catalog.plans
    return {**product(row), "prices": [price(each) for each in prices]}


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


def payment(row: Payment) -> Json:
    return {
        "id": row.pk,
        "status": row.status,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "checkout": row.checkout_id,
        "amount": money(row.amount, row.currency),
        "amount_received": money(row.amount_received, row.currency),
        "amount_refunded": money(row.amount_refunded, row.currency),
        "failure": _failure(row),
        "refunds": [
            refund(each) for each in sorted(row.refunds.all(), key=lambda each: str(each.pk))
        ],
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "paid_at": moment(row.paid_at),
        "created_at": moment(row.created_at),
    }


def refund(row: Refund) -> Json:
    return {
        "id": row.pk,
        "payment": row.payment_id,
        "status": row.status,
        "amount": money(row.amount, row.currency),
        "reason": row.reason or None,
        "stripe_id": row.stripe_id,
        "refunded_at": moment(row.refunded_at),
    }


def subscription(row: Subscription) -> Json:
    return {
        "id": row.pk,
        "status": row.status,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "items": [_subscription_item(each) for each in row.items.all()],
        "started_at": moment(row.started_at),
        "trial_ends_at": moment(row.trial_ends_at),
        "cancel_at": moment(row.cancel_at),
        "canceled_at": moment(row.canceled_at),
        "ended_at": moment(row.ended_at),
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }


def invoice(row: Invoice) -> Json:
    return {
        "id": row.pk,
        "number": row.number or None,
        "status": row.status,
        "billing_reason": row.billing_reason or None,
        "customer": row.customer_id,
        "user_id": row.customer.user_id,
        "subscription": row.subscription_id,
        "subtotal": money(row.subtotal, row.currency),
        "tax": money(row.tax, row.currency),
        "total": money(row.total, row.currency),
        "amount_due": money(row.amount_due, row.currency),
        "amount_paid": money(row.amount_paid, row.currency),
        "attempt_count": row.attempt_count,
        "next_attempt_at": moment(row.next_attempt_at),
        "lines": [_invoice_line(each) for each in row.lines.all()],
        "hosted_url": row.hosted_url or None,
        "pdf_url": row.pdf_url or None,
        "stripe_id": row.stripe_id,
        "issued_at": moment(row.issued_at),
        "paid_at": moment(row.paid_at),
    }


def _failure(row: Payment) -> Json | None:
    if not row.failure_code:
        return None
    return {"code": row.failure_code, "message": row.failure_message}


def _subscription_item(row: SubscriptionItem) -> Json:
    return {
        "id": row.pk,
        "price": row.price_id,
        "product": row.price.product_id if row.price else None,
        "quantity": row.quantity,
        "period_start": moment(row.period_start),
        "period_end": moment(row.period_end),
        "stripe_id": row.stripe_id,
    }


def _invoice_line(row: InvoiceLine) -> Json:
    return {
        "description": row.description,
        "price": row.price_id,
        "quantity": row.quantity,
        "amount": money(row.amount, row.currency),
        "is_proration": row.is_proration,
        "period_start": moment(row.period_start),
        "period_end": moment(row.period_end),
    }
