"""``/projects/{project_id}/inbound``: how a project hears of its users."""

from datetime import timedelta
from typing import Annotated, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import FlagField, StrictSerializer, WholeNumberField
from common.errors import Invalid
from delivery.inbound import inbound_settings, selectors, signing_secrets
from delivery.inbound.representation import InboundBody, InboundSecretBody
from delivery.inbound.representation import inbound as body_of
from delivery.inbound.representation import secret as secret_body
from projects.keys.api.project_path import ProjectPathViewSet
from projects.keys.credentials import ProjectCredential
from projects.keys.scopes import KeyScope

MAX_OVERLAP_HOURS = signing_secrets.MAX_OVERLAP // timedelta(hours=1)


class InboundSettingsSerializer(StrictSerializer):
    follows_stream = FlagField(
        required=False,
        help_text="Whether messages of the platform's streams change your customers. Only a "
        "platform key can change it.",
    )
    cancels_subscriptions = FlagField(
        required=False,
        help_text="Whether a deleted user's subscriptions end at once, without a refund. False: "
        "`user.deleted` is refused while one is running.",
    )


class SecretRotationSerializer(StrictSerializer):
    overlap_hours = WholeNumberField(
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        required=False,
        help_text="Hours for which the secret before still works. If absent: 24.",
    )


class SecretRevocationSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000, required=False)


class IssuedInboundSecretBody(InboundSecretBody):
    """A new signing secret."""

    secret: Annotated[str, "`whsec_…`. Shown only in this response: store it now."]


class InboundSettingsViewSet(ProjectPathViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.PROJECT_READ,
        "partial_update": KeyScope.PROJECT_WRITE,
        "rotate_secret": KeyScope.PROJECT_WRITE,
        "revoke_secret": KeyScope.PROJECT_WRITE,
    }
    project_only = frozenset({"partial_update", "rotate_secret", "revoke_secret"})

    @extend_schema(
        operation_id="inbound_retrieve",
        summary="Show how the project hears of its users",
        request=None,
        responses=serializer_of(InboundBody),
    )
    def retrieve(self, request: Request, project_id: str) -> Response:
        return self._answer()

    @extend_schema(
        operation_id="inbound_update",
        summary="Change how the project hears of its users",
        request=InboundSettingsSerializer,
        responses=serializer_of(InboundBody),
    )
    def partial_update(self, request: Request, project_id: str) -> Response:
        """Each field that you send replaces the stored value."""
        changes = self.parse_body(InboundSettingsSerializer)
        if "follows_stream" in changes and isinstance(self.caller, ProjectCredential):
            raise Invalid("Ask the platform's operators to change it.", field="follows_stream")
        inbound_settings.configure(
            project=self.project, changes=changes, actor=self.caller.actor, at=timezone.now()
        )
        return self._answer()

    @extend_schema(
        operation_id="inbound_rotate_secret",
        summary="Issue a signing secret",
        request=SecretRotationSerializer,
        responses={201: serializer_of(IssuedInboundSecretBody)},
    )
    def rotate_secret(self, request: Request, project_id: str) -> Response:
        """The first secret, or one that replaces the newest. The one before works for another
        `overlap_hours`; older ones end now."""
        hours = self.parse_body(SecretRotationSerializer).get("overlap_hours")
        row, text = signing_secrets.rotate(
            project=self.project,
            overlap=signing_secrets.DEFAULT_OVERLAP if hours is None else timedelta(hours=hours),
            actor=self.caller.actor,
            at=timezone.now(),
        )
        body: IssuedInboundSecretBody = {**secret_body(row), "secret": text}
        return Response(body, status=201)

    @extend_schema(
        operation_id="inbound_revoke_secret",
        summary="Revoke a signing secret",
        request=SecretRevocationSerializer,
        responses=serializer_of(InboundBody),
    )
    def revoke_secret(self, request: Request, project_id: str, secret_id: str) -> Response:
        """Messages that are signed with this secret are refused from now on."""
        signing_secrets.revoke(
            secret=selectors.secret(project=self.project, secret_id=secret_id),
            reason=self.parse_body(SecretRevocationSerializer).get("reason", ""),
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return self._answer()

    def _answer(self) -> Response:
        project_id = self.project.pk
        secrets = selectors.live_secrets(project_id, at=timezone.now())
        return Response(body_of(selectors.settings_of(project_id), secrets))
