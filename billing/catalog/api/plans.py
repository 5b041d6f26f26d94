"""``/plans``: the products that users can subscribe to now, for a pricing page."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.catalog.selectors import catalog
from billing.representation.catalog import PlanBody
from common.api.bodies import serializer_of
from common.api.serializers import CurrencyField, StrictSerializer
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class PlanFilterSerializer(StrictSerializer):
    currency = CurrencyField(required=False)


class PlansViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {"list": KeyScope.CATALOG_READ}
    query = {"list": PlanFilterSerializer}

    @extend_schema(summary="List plans", responses=serializer_of(PlanBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = catalog.plans(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.plan(row) for row in page or ()])
