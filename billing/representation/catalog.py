"""Products, prices and plans."""

from billing.models import Price, Product
from billing.representation.values import Json, moment, money


def product(row: Product) -> Json:
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "active": row.active,
        "custom_price": row.custom_price,
        "features": [
            {"feature": each.feature.code, "kind": each.feature.kind, "value": each.value}
            for each in sorted(row.features.all(), key=lambda each: each.feature.code)
        ],
        "credits": _credits(row),
        "refund_policy": row.refund_policy,
        "dispute_policy": row.dispute_policy,
        "renewal_policy": row.renewal_policy,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }


def _credits(row: Product) -> Json | None:
    if not row.credits_amount:
        return None
    return {
        "amount": row.credits_amount,
        "priority": row.credits_priority,
        "expires_after_days": row.credits_expire_after_days,
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
        "meter": row.meter.code if row.meter else None,
        "active": row.active,
        "metadata": row.metadata,
        "stripe_id": row.stripe_id,
        "created_at": moment(row.created_at),
    }


def plan(row: Product) -> Json:
    """A product with the prices by which one can subscribe to it (``row.plan_prices``); a price
    that is agreed with each customer is nobody else's business."""
    prices: list[Price] = row.plan_prices  # type: ignore[attr-defined]  # selectors.catalog.plans
    return {**product(row), "prices": [price(each) for each in prices]}
