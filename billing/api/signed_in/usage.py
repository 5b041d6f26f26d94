"""``/billing/usage``: the user's limits, and what is left of them."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.signed_in.base import NAMED, SignedInViewSet
from common.times import rfc3339
from entitlements.models.feature import FeatureKind
from entitlements.selectors import decisions, features
from projects.scopes import USER


class LimitSerializer(serializers.Serializer[Any]):
    """One limit. ``limit`` null means without limit where ``allowed`` is true."""

    feature = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.CharField()
    allowed = serializers.BooleanField()
    limit = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField(allow_null=True, help_text="Null while nothing counts it.")
    remaining = serializers.IntegerField(allow_null=True)
    resets_at = serializers.DateTimeField(allow_null=True)


class UsageSerializer(serializers.Serializer[Any]):
    limits = LimitSerializer(many=True)


class UserUsageViewSet(SignedInViewSet):
    scopes: ClassVar[dict[str, str]] = {"retrieve": USER}

    @extend_schema(
        operation_id="billing_usage_retrieve",
        summary="Show the signed-in user's limits",
        parameters=[NAMED],
        responses=UsageSerializer,
    )
    def retrieve(self, request: Request) -> Response:
        """Every limit of the project, as it holds for the user now."""
        project = self.calling_project
        limits = {
            row.code: row
            for row in features.listing(project=project)
            if row.kind == FeatureKind.LIMIT
        }
        made = decisions.all_for(project=project, user_id=self.user_id, at=timezone.now())
        return Response(
            {
                "limits": [
                    {
                        "feature": code,
                        "name": row.name,
                        "unit": row.unit,
                        "allowed": made[code].allowed,
                        "limit": made[code].limit,
                        "used": made[code].used,
                        "remaining": made[code].remaining,
                        "resets_at": rfc3339(moment) if (moment := made[code].resets_at) else None,
                    }
                    for code, row in sorted(limits.items())
                    if code in made
                ]
            }
        )
