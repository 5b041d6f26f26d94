"""``/rollouts``: changes of products on their way to everybody who holds them."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, id_pattern
from billing.rollouts import selectors as rollout_selectors
from common.api.serializers import StrictSerializer
from common.models import RunStatus
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import Scope

MOST_REFUSALS = 100


class RolloutProgressSerializer(serializers.Serializer[Any]):
    holders = serializers.IntegerField(
        allow_null=True, help_text="How many there were when it began; null before that."
    )
    looked_at = serializers.IntegerField()
    changed = serializers.IntegerField(help_text="Of how many of them something changed.")
    failed = serializers.IntegerField(help_text="How many could not be done.")


class RolloutMovesSerializer(serializers.Serializer[Any]):
    """Subscriptions that move to another price."""

    subscriptions = serializers.IntegerField()
    moved = serializers.IntegerField()
    refused = serializers.IntegerField()


class RolloutSerializer(serializers.Serializer[Any]):
    """One version of what a product entitles to, brought to its holders in the background."""

    id = serializers.CharField()
    product = serializers.CharField()
    status = serializers.ChoiceField(
        choices=RunStatus.choices,
        help_text="planned: kept, and not applied. running: holders are recomputed. moving: "
        "subscriptions change their price. superseded: a newer change does it all again.",
    )
    catalog_version = serializers.IntegerField(help_text="Of the product.")
    reason = serializers.CharField()
    terms = serializers.DictField(allow_null=True, help_text="What was planned to change.")
    figures = serializers.DictField(
        allow_null=True, help_text="What that came to when it was planned, as in a preview."
    )
    progress = RolloutProgressSerializer()
    moves = RolloutMovesSerializer()
    created_at = serializers.DateTimeField()
    applied_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class RefusedMoveSerializer(serializers.Serializer[Any]):
    subscription = serializers.CharField()
    user_id = serializers.CharField()
    code = serializers.CharField(help_text="As of a problem document.")
    detail = serializers.CharField()


class WholeRolloutSerializer(RolloutSerializer):
    failed_customers = serializers.ListField(
        child=serializers.CharField(), help_text="Our ids; at most 100."
    )
    refusals = RefusedMoveSerializer(many=True, help_text="The first 100.")


class RolloutFilterSerializer(StrictSerializer):
    product = IdField(prefix="prod", required=False)
    status = serializers.ChoiceField(choices=RunStatus.choices, required=False)


class RolloutsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": Scope.CATALOG_READ,
        "retrieve": Scope.CATALOG_READ,
    }
    query = {"list": RolloutFilterSerializer}
    lookup_value_regex = id_pattern("rol")

    @extend_schema(summary="List rollouts", responses=RolloutSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = rollout_selectors.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.rollout(row) for row in page or ()])

    @extend_schema(summary="Show a rollout", responses=WholeRolloutSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """How far it has come, and what could not be done."""
        row = rollout_selectors.get(project=self.calling_project, rollout_id=pk)
        refusals = rollout_selectors.refusals(rollout=row, limit=MOST_REFUSALS)
        return Response(representation.whole_rollout(row, refusals))
