"""Subscriptions with their items."""

from billing.models import Subscription, SubscriptionItem
from billing.representation import duplicates
from billing.representation.values import Json, moment


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
        "currency": row.currency,
        "scheduled_change": _scheduled_change(row),
        "pause": _pause(row),
        "discounts": row.discounts,
        "automatic_tax": row.automatic_tax,
        "duplicate_of": duplicates.of(subscription=row),
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }


def _scheduled_change(row: Subscription) -> Json | None:
    if row.scheduled_at is None:
        return None
    seen = ("price", "product", "quantity")
    items = [{name: each[name] for name in seen} for each in row.scheduled_items]
    return {"at": moment(row.scheduled_at), "items": items}


def _pause(row: Subscription) -> Json | None:
    if not row.pause_behavior:
        return None
    return {"behavior": row.pause_behavior, "resumes_at": moment(row.resumes_at)}


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
