"""``/billing/plans``: the plans that everybody can subscribe to, for a project's own pricing page.

The answer is the same for every caller. It shows what a buyer has to know, and none of what the
project keeps to itself: metadata, nicknames, policies, ids of Stripe, what is not on sale.
"""

import hashlib
from typing import Any, ClassVar

import orjson
from django.http import HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import quote_etag
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from billing import representation
from billing.accounts import publishable_keys
from billing.catalog.api.plans import PlanFilterSerializer
from billing.catalog.selectors import catalog
from billing.representation.catalog import PublicPlanBody
from billing.signed_in.api.base import OPTIONAL_PROJECT_HEADER
from common.api.bodies import serializer_of
from common.api.pagination import CursorPagination
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import PUBLIC
from projects.sign_in.api.public_authentication import PathAuthentication, PublicAuthentication
from projects.sign_in.api.user_authentication import PROJECT

MAX_AGE_SECONDS = 60
"""How long a browser or proxy may show plans that have changed meanwhile."""
WITHOUT_A_TOKEN: list[dict[str, Any]] = [{"user": []}, {}]
"""Security of the operation in the OpenAPI document: a user's token, or nothing."""


class PlansPage(CursorPagination):
    """A page of plans, with what the front end needs to start Stripe.js."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page = super().get_paginated_response_schema(schema)
        page["required"] = [*page["required"], "publishable_key"]
        page["properties"]["publishable_key"] = {
            "type": ["string", "null"],
            "description": "Key of the project's Stripe account for Stripe.js (pk_…). Null: none "
            "is set.",
        }
        return page


class PublicPlansViewSet(ProjectViewSet):
    # No docstring: drf-spectacular would publish it.

    pagination_class = PlansPage
    scopes: ClassVar[dict[str, str]] = {"list": PUBLIC}
    query = {"list": PlanFilterSerializer}

    def plans_page(self, request: Request, *, varies_by: tuple[str, ...]) -> HttpResponse:
        """The page, or 304 if the caller has it already."""
        project = self.calling_project
        page = self.paginate_queryset(catalog.plans(project=project, **self.query_values))
        answer = self.get_paginated_response(
            [representation.public_plan(row) for row in page or ()]
        )
        answer.data["publishable_key"] = publishable_keys.of_project(project)
        if project.public_plans:
            patch_cache_control(answer, public=True, max_age=MAX_AGE_SECONDS)
        else:
            patch_cache_control(answer, private=True, no_cache=True)
        if varies_by:
            patch_vary_headers(answer, varies_by)
        answer["ETag"] = etag = quote_etag(_digest(answer.data))
        return get_conditional_response(request, etag=etag, response=answer) or answer


class BillingPlansViewSet(PublicPlansViewSet):
    authentication_classes = [PublicAuthentication]

    @extend_schema(
        operation_id="billing_plans_list",
        summary="List plans for a pricing page",
        parameters=[OPTIONAL_PROJECT_HEADER],
        auth=WITHOUT_A_TOKEN,  # type: ignore[arg-type]  # as OpenAPI writes it
        responses=serializer_of(PublicPlanBody)(many=True),
    )
    def list(self, request: Request) -> HttpResponse:
        """Newest first. A plan with ``custom_price`` has no prices: the user has to ask for one.

        Needs no token: the header names the project. 404 for a project that does not exist, is
        suspended, or has switched this off (``public_plans``); then only signed-in users get
        the plans. Can be cached for a minute and has an ``ETag``."""
        return self.plans_page(request, varies_by=("Authorization", PROJECT))


class ProjectPlansViewSet(PublicPlansViewSet):
    authentication_classes = [PathAuthentication]

    @extend_schema(
        operation_id="billing_project_plans_list",
        summary="List a project's plans for a pricing page",
        auth=[{}],  # type: ignore[list-item]  # as OpenAPI writes it
        responses=serializer_of(PublicPlanBody)(many=True),
    )
    def list(self, request: Request, project_id: str) -> HttpResponse:
        """As ``GET /billing/plans``, for the project in the path. No header is read, so browsers
        send no preflight request, and every cache can keep the answer."""
        return self.plans_page(request, varies_by=())


def _digest(data: Any) -> str:
    return hashlib.sha256(orjson.dumps(data)).hexdigest()[:32]
