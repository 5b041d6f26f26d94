"""``/portal``: open Stripe's customer portal for a user, and configure what users may do there."""

from typing import Annotated, Any, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField
from billing.checkout.orders import MAX_QUANTITY
from billing.checkout.return_urls import MAX_URL_LENGTH
from billing.models.portal import Cancellation, PortalSettings
from billing.outbound import api as outbound_api
from billing.portal import selectors as stored
from billing.portal import service as portal
from billing.portal.flows import Flow
from billing.portal.representation import PortalConfigurationBody, settings_body
from billing.portal.selectors import Obstacle
from billing.stripe.portal import MOST_PRODUCTS
from common.api.bodies import serializer_of
from common.api.serializers import (
    FlagField,
    ListField,
    StrictSerializer,
    UserIdField,
    WholeNumberField,
)
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

FLOWS: dict[str, frozenset[str]] = {
    "payment_method_update": frozenset(),
    "subscription_cancel": frozenset({"product"}),
    "subscription_update": frozenset({"product"}),
    "subscription_update_confirm": frozenset({"product", "price", "quantity"}),
}
"""Fields that each flow type takes. ``product`` is required where it is listed."""
CANCEL_EXAMPLE = OpenApiExample(
    "Straight to cancelling",
    request_only=True,
    value={
        "user_id": "user-17",
        "return_url": "https://app.example.com/account",
        "flow": {"type": "subscription_cancel", "product": "prod_01j9zc3k5v8e4w2t7x6y5q4r3s"},
    },
)


class FlowSerializer(StrictSerializer):
    """One task in the portal. Afterwards the user returns to ``return_url``."""

    type = serializers.ChoiceField(choices=list(FLOWS))
    product = IdField(
        prefix="prod", required=False, help_text="A product of the subscription that it concerns."
    )
    price = IdField(
        prefix="price",
        required=False,
        help_text="New price, only with subscription_update_confirm. Left out: the present one.",
    )
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        allowed = FLOWS[attrs["type"]]
        for name in attrs.keys() - allowed - {"type"}:
            raise serializers.ValidationError({name: [f"Leave it out with {attrs['type']}."]})
        if "product" in allowed and "product" not in attrs:
            raise serializers.ValidationError({"product": ["Send a product of the subscription."]})
        if "price" in allowed and not attrs.keys() & {"price", "quantity"}:
            raise serializers.ValidationError({"price": ["Send a price or a quantity."]})
        return attrs


class OwnSessionSerializer(StrictSerializer):
    return_url = serializers.CharField(
        max_length=MAX_URL_LENGTH,
        required=False,
        help_text="Address to which the portal sends the user back. Left out: the configuration's "
        "default_return_url.",
    )
    flow = FlowSerializer(required=False)


class NewSessionSerializer(OwnSessionSerializer):
    user_id = UserIdField()


class PortalSessionBody(TypedDict):
    """A link for one user. Redirect the user at once: it expires after a few minutes."""

    url: str


class EligibilityBody(TypedDict):
    eligible: Annotated[bool, "True: the portal can be opened for this user."]
    reasons: Annotated[
        list[Annotated[str, Obstacle]], "Why the portal cannot be opened. Empty if it can."
    ]


class EligibilityFilterSerializer(StrictSerializer):
    user_id = UserIdField()


class PortalChangeSerializer(StrictSerializer):
    """New settings. A field that is left out keeps its value."""

    headline = serializers.CharField(max_length=60, allow_blank=True, required=False)
    cancellation = serializers.ChoiceField(
        choices=Cancellation.choices,
        required=False,
        help_text="When a cancellation by the user takes effect: period_end, now (without a "
        "refund), or never to forbid it.",
    )
    plan_changes = FlagField(
        required=False,
        help_text="True: users may change plans. A change to a lower price waits for the renewal.",
    )
    products = ListField(
        child=IdField(prefix="prod"),
        max_length=MOST_PRODUCTS,
        required=False,
        help_text="Products that users may change between. Empty: the ten oldest on sale.",
    )
    payment_methods = FlagField(
        required=False, help_text="True: users may change their payment methods."
    )
    invoices = FlagField(required=False, help_text="True: users see their past invoices.")
    default_return_url = serializers.CharField(
        max_length=MAX_URL_LENGTH, allow_blank=True, required=False
    )


class PortalViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "create": KeyScope.PORTAL_WRITE,
        "session": KeyScope.PORTAL_WRITE,
        "eligibility": KeyScope.PORTAL_READ,
    }
    query = {"eligibility": EligibilityFilterSerializer}

    @extend_schema(
        operation_id="portal_open",
        summary="Open the customer portal for a user",
        request=NewSessionSerializer,
        responses={201: serializer_of(PortalSessionBody)},
        examples=[CANCEL_EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        """Returns a link for a user who has bought something. 409 `portal-not-available` with the
        `reasons` for any other user."""
        return self._open(request)

    @extend_schema(
        operation_id="portal_open_session",
        summary="Open the customer portal for a user (old address)",
        request=NewSessionSerializer,
        responses={201: serializer_of(PortalSessionBody)},
    )
    @action(detail=False, methods=["post"])
    def session(self, request: Request) -> Response:
        """Does the same as `POST /portal`."""
        return self._open(request)

    @extend_schema(
        operation_id="portal_eligibility",
        summary="Check whether the portal can be opened for a user",
        request=None,
        responses=serializer_of(EligibilityBody),
    )
    @action(detail=False, methods=["get"])
    def eligibility(self, request: Request) -> Response:
        """Tells whether to show a button to the portal, and if not, every reason. Does not call
        Stripe."""
        obstacles = portal.find_obstacles(project=self.calling_project, **self.query_values)
        body: EligibilityBody = {
            "eligible": not obstacles,
            "reasons": [obstacle.value for obstacle in obstacles],
        }
        return Response(body)

    def _open(self, request: Request) -> Response:
        body = self.parse_body(NewSessionSerializer)
        url = portal.open_session(
            project=self.calling_project,
            user_id=body["user_id"],
            return_url=body.get("return_url", ""),
            flow=build_flow(body),
            request=outbound_api.request_name(request, "portal", request.data),
            at=timezone.now(),
        )
        return Response(PortalSessionBody(url=url), status=201)


class PortalConfigurationViewSet(ProjectViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.PORTAL_READ,
        "partial_update": KeyScope.PORTAL_WRITE,
    }
    project_only = frozenset({"partial_update"})

    @extend_schema(
        operation_id="portal_configuration_retrieve",
        summary="Show the portal's configuration",
        responses=serializer_of(PortalConfigurationBody),
    )
    def retrieve(self, request: Request) -> Response:
        return self._settings_response(stored.get_settings(self.calling_project))

    @extend_schema(
        operation_id="portal_configuration_update",
        summary="Change the portal's configuration",
        request=PortalChangeSerializer,
        responses=serializer_of(PortalConfigurationBody),
    )
    def partial_update(self, request: Request) -> Response:
        """Applies to portal links that are created from now on."""
        row = portal.configure(
            project=self.calling_project,
            changes=self.parse_body(PortalChangeSerializer),
            actor=self.actor,
            at=timezone.now(),
        )
        return self._settings_response(row)

    def _settings_response(self, row: PortalSettings) -> Response:
        offers = portal.list_offers(project=self.calling_project)
        return Response(settings_body(row, offers))


def build_flow(body: dict[str, Any]) -> Flow | None:
    """Build the portal flow of a validated body, None without one."""
    return Flow(**body["flow"]) if "flow" in body else None
