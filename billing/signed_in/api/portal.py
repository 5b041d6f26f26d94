"""``/billing/portal``: send the signed-in user to Stripe's customer portal."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.catalog.selectors import catalog
from billing.outbound import api as outbound_api
from billing.portal import service as portal
from billing.portal.api import OwnSessionSerializer, PortalSessionBody, build_flow
from billing.signed_in.api.base import PROJECT_HEADER, SignedInViewSet
from common.api.bodies import serializer_of
from projects.keys.scopes import USER


class UserPortalViewSet(SignedInViewSet):
    scopes: ClassVar[dict[str, str]] = {"create": USER}

    @extend_schema(
        operation_id="billing_portal_open",
        summary="Open the customer portal for the signed-in user",
        parameters=[PROJECT_HEADER],
        request=OwnSessionSerializer,
        responses={201: serializer_of(PortalSessionBody)},
    )
    def create(self, request: Request) -> Response:
        """Send the user to the returned ``url``. 409 ``portal-not-available`` names in ``reasons``
        why the portal cannot be opened."""
        body = self.parse_body(OwnSessionSerializer)
        portal_flow = build_flow(body)
        if portal_flow is not None and portal_flow.price:
            catalog.open_price(project=self.calling_project, price_id=portal_flow.price)
        url = portal.open_session(
            project=self.calling_project,
            user_id=self.user_id,
            return_url=body.get("return_url", ""),
            flow=portal_flow,
            request=outbound_api.request_name(request, "portal", self.user_id, request.data),
            at=timezone.now(),
        )
        return Response(PortalSessionBody(url=url), status=201)
