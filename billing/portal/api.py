"""``/portal``: send a user to Stripe's portal, and say what they may do there."""

from typing import Annotated, Any, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField
from billing.checkout.orders import MAX_QUANTITY
from billing.checkout.return_urls import MAX_URL_LENGTH as LONGEST_URL
from billing.models.portal import Cancellation, PortalSettings
from billing.outbound import api as outbound_api
from billing.portal import selectors as stored
from billing.portal import service as portal
from billing.portal.representation import PortalConfigurationBody, portal_settings
from billing.portal.selectors import Obstacle
from billing.portal.service import Flow
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
"""What each may name beside its type; a product is needed where it may be named."""
CANCEL = OpenApiExample(
    "Straight to cancelling",
    request_only=True,
    value={
        "user_id": "user-17",
        "return_url": "https://app.example.com/account",
        "flow": {"type": "subscription_cancel", "product": "prod_01j9zc3k5v8e4w2t7x6y5q4r3s"},
    },
)


class FlowSerializer(StrictSerializer):
    """One thing to do in the portal, and back again."""

    type = serializers.ChoiceField(choices=list(FLOWS))
    product = IdField(prefix="prod", required=False, help_text="Which subscription it is about.")
    price = IdField(prefix="price", required=False, help_text="To confirm; the same if left out.")
    quantity = WholeNumberField(min_value=1, max_value=MAX_QUANTITY, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        allowed = FLOWS[attrs["type"]]
        for name in attrs.keys() - allowed - {"type"}:
            raise serializers.ValidationError({name: [f"Not with {attrs['type']}."]})
        if "product" in allowed and "product" not in attrs:
            raise serializers.ValidationError({"product": ["Say which subscription."]})
        if "price" in allowed and not attrs.keys() & {"price", "quantity"}:
            raise serializers.ValidationError({"price": ["Say what to confirm."]})
        return attrs


class OwnSessionSerializer(StrictSerializer):
    return_url = serializers.CharField(
        max_length=LONGEST_URL,
        required=False,
        help_text="Where the way back leads; the configuration's default when left out.",
    )
    flow = FlowSerializer(required=False)


class NewSessionSerializer(OwnSessionSerializer):
    user_id = UserIdField()


class PortalSessionBody(TypedDict):
    """A link for one user: send them there at once, it is good for a few minutes only."""

    url: str


class EligibilityBody(TypedDict):
    eligible: Annotated[bool, "Whether to show the button."]
    reasons: Annotated[list[Annotated[str, Obstacle]], "Why not; empty for an eligible user."]


class EligibilityFilterSerializer(StrictSerializer):
    user_id = UserIdField()


class PortalChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    headline = serializers.CharField(max_length=60, allow_blank=True, required=False)
    cancellation = serializers.ChoiceField(
        choices=Cancellation.choices,
        required=False,
        help_text="period_end, now (without a refund) or never.",
    )
    plan_changes = FlagField(
        required=False,
        help_text="Whether users may change plan. What costs less begins with the next period.",
    )
    products = ListField(
        child=IdField(prefix="prod"),
        max_length=MOST_PRODUCTS,
        required=False,
        help_text="Between which plans; empty for all on sale, the ten oldest of them.",
    )
    payment_methods = FlagField(required=False, help_text="Whether cards can be changed.")
    invoices = FlagField(required=False, help_text="Whether past invoices are shown.")
    default_return_url = serializers.CharField(
        max_length=LONGEST_URL, allow_blank=True, required=False
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
        summary="Send a user to the portal",
        request=NewSessionSerializer,
        responses={201: serializer_of(PortalSessionBody)},
        examples=[CANCEL],
    )
    def create(self, request: Request) -> Response:
        """For a user who has bought something; 409 ``portal-not-available`` says why not."""
        return self._open(request)

    @extend_schema(
        operation_id="portal_open_session",
        summary="Send a user to the portal (old name)",
        request=NewSessionSerializer,
        responses={201: serializer_of(PortalSessionBody)},
    )
    @action(detail=False, methods=["post"])
    def session(self, request: Request) -> Response:
        """The same as ``POST /portal``."""
        return self._open(request)

    @extend_schema(
        operation_id="portal_eligibility",
        summary="Say whether a user can be sent to the portal",
        request=None,
        responses=serializer_of(EligibilityBody),
    )
    @action(detail=False, methods=["get"])
    def eligibility(self, request: Request) -> Response:
        """Whether to show the button, and if not, every reason. Asks nobody but our tables."""
        obstacles = portal.obstacles(project=self.calling_project, **self.query_values)
        body: EligibilityBody = {
            "eligible": not obstacles,
            "reasons": [obstacle.value for obstacle in obstacles],
        }
        return Response(body)

    def _open(self, request: Request) -> Response:
        said = self.parse_body(NewSessionSerializer)
        url = portal.open_session(
            project=self.calling_project,
            user_id=said["user_id"],
            return_url=said.get("return_url", ""),
            flow=flow(said),
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
        summary="Show what users may do in the portal",
        responses=serializer_of(PortalConfigurationBody),
    )
    def retrieve(self, request: Request) -> Response:
        return self._shown(stored.settings_of(self.calling_project))

    @extend_schema(
        operation_id="portal_configuration_update",
        summary="Say what users may do in the portal",
        request=PortalChangeSerializer,
        responses=serializer_of(PortalConfigurationBody),
    )
    def partial_update(self, request: Request) -> Response:
        """Holds for portals that are opened from now on."""
        row = portal.configure(
            project=self.calling_project,
            changes=self.parse_body(PortalChangeSerializer),
            actor=self.actor,
            at=timezone.now(),
        )
        return self._shown(row)

    def _shown(self, row: PortalSettings) -> Response:
        offers = portal.offered(project=self.calling_project)
        return Response(portal_settings(row, offers))


def flow(said: dict[str, Any]) -> Flow | None:
    """What a validated body asks the user to do."""
    return Flow(**said["flow"]) if "flow" in said else None
