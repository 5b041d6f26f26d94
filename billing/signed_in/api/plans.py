"""``/billing/plans``: the plans that the signed-in user can subscribe to."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import representation
from billing.catalog.api.plans import PlanFilterSerializer
from billing.catalog.selectors import catalog
from billing.representation.catalog import PlanBody
from billing.signed_in.api.base import PROJECT_HEADER, SignedInViewSet
from common.api.bodies import serializer_of
from projects.keys.scopes import USER


class UserPlansViewSet(SignedInViewSet):
    scopes: ClassVar[dict[str, str]] = {"list": USER}
    query = {"list": PlanFilterSerializer}

    @extend_schema(
        operation_id="billing_plans_list",
        summary="List plans for the signed-in user",
        parameters=[PROJECT_HEADER],
        responses=serializer_of(PlanBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest first. A plan with ``custom_price`` has no prices: the user has to ask for one."""
        rows = catalog.plans(project=self.calling_project, **self.query_values)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.plan(row) for row in page or ()])
