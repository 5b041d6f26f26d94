"""``/billing/usage``: the signed-in user's limits, usage and credit balance."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.signed_in.api.base import PROJECT_HEADER, SignedInViewSet
from common.api.bodies import serializer_of
from common.bodies import Time
from common.times import rfc3339
from entitlements.balances.selectors import credits
from entitlements.decisions.selectors import decisions
from entitlements.features.selectors import features
from entitlements.models import Feature
from entitlements.models.feature import FeatureKind
from entitlements.resolution.decision import Decision
from projects.keys.scopes import USER

COUNTED = (FeatureKind.LIMIT, FeatureKind.METERED, FeatureKind.CREDITS)


class LimitBody(TypedDict):
    """One limit. If ``allowed`` is true, ``limit`` null means unlimited."""

    feature: str
    name: str
    unit: str
    kind: Annotated[str, Literal["limit", "metered", "credits"]]
    allowed: bool
    limit: int | None
    used: Annotated[int | None, "Null if no meter counts it."]
    remaining: Annotated[
        int | None, "Of a feature that costs credits: number of uses that the balance pays for."
    ]
    resets_at: Annotated[
        Time | None,
        "When `used` starts again at 0. Null: never, or when the next period is paid.",
    ]
    cost: Annotated[int | None, "Credits that one use costs."]


class CreditBalanceBody(TypedDict):
    balance: Annotated[int, "Credits that can be spent now."]


class UserUsageBody(TypedDict):
    limits: list[LimitBody]
    credits: CreditBalanceBody


class UserUsageViewSet(SignedInViewSet):
    scopes: ClassVar[dict[str, str]] = {"retrieve": USER}

    @extend_schema(
        operation_id="billing_usage_retrieve",
        summary="Show the signed-in user's limits",
        parameters=[PROJECT_HEADER],
        responses=serializer_of(UserUsageBody),
    )
    def retrieve(self, request: Request) -> Response:
        """Every limited feature of the project, with the user's limit and usage now."""
        project, now = self.calling_project, timezone.now()
        entitlements = decisions.entitlements_of(project=project, user_id=self.user_id, at=now)
        counted = features.listing(project=project).filter(kind__in=COUNTED).order_by("code")
        by_code = entitlements.decisions
        body: UserUsageBody = {
            "limits": [_limit(row, by_code[row.code]) for row in counted if row.code in by_code],
            "credits": {"balance": _balance(project.pk, entitlements.customer_id, now)},
        }
        return Response(body)


def _limit(row: Feature, decision: Decision) -> LimitBody:
    return {
        "feature": row.code,
        "name": row.name,
        "unit": row.unit,
        "kind": row.kind,
        "allowed": decision.allowed,
        "limit": decision.limit,
        "used": decision.used,
        "remaining": decision.remaining,
        "resets_at": rfc3339(decision.resets_at),
        "cost": decision.value if decision.is_priced else None,
    }


def _balance(project_id: str, customer_id: str | None, at: datetime) -> int:
    if customer_id is None:
        return 0
    balances = credits.balances(project_id=project_id, customer_ids=[customer_id], at=at)
    return balances[customer_id]
