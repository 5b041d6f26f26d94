"""Changes of products on their way to their holders."""

from collections.abc import Iterable

from billing.models import Rollout, RolloutMove
from billing.representation.values import Json, moment


def rollout(row: Rollout) -> Json:
    """Loaded by ``selectors.rollouts``, which counts the moves."""
    counts: Json = vars(row)
    return {
        "id": row.pk,
        "product": row.product_id,
        "status": row.status,
        "catalog_version": row.catalog_version,
        "reason": row.reason,
        "terms": row.terms if row.is_plan else None,
        "figures": row.figures if row.is_plan else None,
        "progress": {
            "holders": row.total,
            "looked_at": row.looked_at,
            "changed": row.changed,
            "failed": len(row.failed),
        },
        "moves": {
            "subscriptions": counts["move_count"],
            "moved": counts["moved"],
            "refused": counts["refused"],
        },
        "created_at": moment(row.created_at),
        "applied_at": moment(row.applied_at),
        "finished_at": moment(row.finished_at),
    }


def whole_rollout(row: Rollout, refusals: Iterable[RolloutMove]) -> Json:
    """With who could not be done, and which subscriptions could not be moved."""
    return {
        **rollout(row),
        "failed_customers": row.failed,
        "refusals": [
            {
                "subscription": each.subscription_id,
                "user_id": each.subscription.customer.user_id,
                "code": each.code,
                "detail": each.detail,
            }
            for each in refusals
        ],
    }
