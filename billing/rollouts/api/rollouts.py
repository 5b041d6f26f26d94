"""``/rollouts``: changes of products that are being applied to their holders."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.api_fields import IdField, id_pattern
from billing.representation.rollouts import RolloutBody, WholeRolloutBody
from billing.rollouts import selectors as rollout_selectors
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer
from common.models import RunStatus
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MOST_REFUSALS = 100


class RolloutFilterSerializer(StrictSerializer):
    product = IdField(prefix="prod", required=False)
    status = serializers.ChoiceField(choices=RunStatus.choices, required=False)


class RolloutsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CATALOG_READ,
        "retrieve": KeyScope.CATALOG_READ,
    }
    query = {"list": RolloutFilterSerializer}
    lookup_value_regex = id_pattern("rol")

    @extend_schema(summary="List rollouts", responses=serializer_of(RolloutBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = rollout_selectors.listing(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.rollout(row) for row in page or ()])

    @extend_schema(summary="Show a rollout", responses=serializer_of(WholeRolloutBody))
    def retrieve(self, request: Request, pk: str) -> Response:
        """With its progress, and the customers and subscriptions that failed."""
        row = rollout_selectors.get(project=self.calling_project, rollout_id=pk)
        refusals = rollout_selectors.refusals(rollout=row, limit=MOST_REFUSALS)
        return Response(representation.whole_rollout(row, refusals))
