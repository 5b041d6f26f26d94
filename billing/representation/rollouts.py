"""Rollouts: changes of products that are brought to their holders."""

from collections.abc import Iterable
from typing import Annotated, Any, TypedDict

from billing.models import Rollout, RolloutMove
from common.bodies import Time
from common.models import RunStatus
from common.times import rfc3339


class RolloutProgressBody(TypedDict):
    holders: Annotated[int | None, "Number of holders when it began; null before that."]
    looked_at: int
    changed: Annotated[int, "Number of holders whose access changed."]
    failed: Annotated[int, "Number of holders that failed."]


class RolloutMovesBody(TypedDict):
    """Progress of the subscriptions that move to another price."""

    subscriptions: int
    moved: int
    refused: int


class RolloutBody(TypedDict):
    """One version of a product's features, brought to its holders in the background."""

    id: str
    product: str
    status: Annotated[
        str,
        RunStatus,
        "planned: stored, not applied. running: holders are recomputed. moving: "
        "subscriptions change their price. superseded: a newer change recomputes all holders.",
    ]
    catalog_version: Annotated[int, "The catalog version of the product that it belongs to."]
    reason: str
    terms: Annotated[dict[str, Any] | None, "The planned changes."]
    figures: Annotated[
        dict[str, Any] | None, "Effect of the planned changes at that time, as in a preview."
    ]
    progress: RolloutProgressBody
    moves: RolloutMovesBody
    created_at: Time
    applied_at: Time | None
    finished_at: Time | None


class RefusedMoveBody(TypedDict):
    subscription: str
    user_id: str
    code: Annotated[str, "An error code, as in a problem document."]
    detail: str


class WholeRolloutBody(RolloutBody):
    """One version of a product's features, brought to its holders in the background."""

    failed_customers: Annotated[list[str], "Our ids of the customers; at most 100."]
    refusals: Annotated[
        list[RefusedMoveBody], "The first 100 subscriptions that could not be moved."
    ]


def rollout(row: Rollout) -> RolloutBody:
    """``row`` comes from ``selectors.rollouts``, which counts its moves."""
    counts: dict[str, Any] = vars(row)
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
        "created_at": rfc3339(row.created_at),
        "applied_at": rfc3339(row.applied_at),
        "finished_at": rfc3339(row.finished_at),
    }


def whole_rollout(row: Rollout, refusals: Iterable[RolloutMove]) -> WholeRolloutBody:
    """The rollout with failed customers and refused moves."""
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
