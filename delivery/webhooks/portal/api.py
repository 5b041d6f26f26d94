"""``/webhook-portal``: links to the page of a project's webhooks."""

from typing import Annotated, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, WholeNumberField
from common.bodies import Time
from common.times import rfc3339
from delivery.webhooks.portal import links
from delivery.webhooks.portal.links import MAX_HOURS
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

SEE, ACT = "read", "act"


class PortalLinkSerializer(StrictSerializer):
    access = serializers.ChoiceField(
        choices=[(SEE, "See"), (ACT, "Act")],
        required=False,
        help_text="`read` (if absent): see endpoints, deliveries and attempts. `act`: also send "
        "tests, send again, replay, enable; needs a key with `webhooks:write`.",
    )
    hours = WholeNumberField(
        min_value=1,
        max_value=MAX_HOURS,
        required=False,
        help_text="How long the link works. If absent: 24.",
    )


class PortalLinkBody(TypedDict):
    """A link to the page of your webhooks."""

    url: Annotated[str, "Give it to nobody else: who has it needs no account."]
    access: Annotated[str, (SEE, ACT)]
    expires_at: Time


class PortalRevocationBody(TypedDict):
    """All links that existed at this time are invalid."""

    revoked_at: Time


class WebhookPortalViewSet(ProjectViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "create": KeyScope.WEBHOOKS_READ,
        "revoke": KeyScope.WEBHOOKS_WRITE,
    }

    @extend_schema(
        operation_id="webhook_portal_create",
        summary="Make a link to the page of webhooks",
        request=PortalLinkSerializer,
        responses={201: serializer_of(PortalLinkBody)},
    )
    def create(self, request: Request) -> Response:
        """For your developers: endpoints, deliveries and attempts of your project in the browser,
        without an account."""
        values = self.parse_body(PortalLinkSerializer)
        access = values.get("access", SEE)
        if access == ACT and not self.request.auth.allows(KeyScope.WEBHOOKS_WRITE):  # type: ignore[union-attr]
            raise PermissionDenied("A link that acts needs a key with the scope 'webhooks:write'.")
        link = links.create(
            project=self.calling_project,
            can_act=access == ACT,
            hours=values.get("hours", MAX_HOURS),
            actor=self.actor,
            at=timezone.now(),
        )
        body: PortalLinkBody = {
            "url": link.url,
            "access": access,
            "expires_at": rfc3339(link.expires_at),
        }
        return Response(body, status=201)

    @extend_schema(
        operation_id="webhook_portal_revoke",
        summary="Revoke all links to the page of webhooks",
        request=None,
        responses=serializer_of(PortalRevocationBody),
    )
    def revoke(self, request: Request) -> Response:
        """Every link that exists stops to work, also in browsers that have it open."""
        at = timezone.now()
        links.revoke_all(project=self.calling_project, actor=self.actor, at=at)
        body: PortalRevocationBody = {"revoked_at": rfc3339(at)}
        return Response(body)
