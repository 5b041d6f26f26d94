"""``/projects/{project_id}/mail``: how a project writes to people."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer, WholeNumberField
from delivery.mail import mail_settings, selectors
from delivery.mail.kinds import NAMES
from delivery.mail.representation import MailSettingsBody
from delivery.mail.representation import mail_settings as body_of
from delivery.models import Channel
from projects.keys.api.project_path import ProjectPathViewSet
from projects.keys.scopes import KeyScope

COLOR = r"^#[0-9a-fA-F]{6}\Z"


class MailSettingsSerializer(StrictSerializer):
    channel = serializers.ChoiceField(
        choices=Channel.choices,
        required=False,
        help_text="`mail`, `hermes`, or `none`: no message is sent.",
    )
    kinds = ListField(
        child=serializers.ChoiceField(choices=NAMES),
        max_length=len(NAMES),
        required=False,
        help_text="The kinds of messages that are sent. If you choose a channel for the first "
        "time and leave it out: all.",
    )
    sender_name = serializers.CharField(max_length=120, allow_blank=True, required=False)
    reply_to = serializers.EmailField(max_length=254, allow_blank=True, required=False)
    brand_name = serializers.CharField(max_length=120, allow_blank=True, required=False)
    color = serializers.RegexField(
        COLOR, max_length=7, allow_blank=True, required=False, help_text="Such as `#0f766e`."
    )
    logo_url = serializers.CharField(
        max_length=2000, allow_blank=True, required=False, help_text="An https address."
    )
    renewal_notice_days = WholeNumberField(
        min_value=1, max_value=mail_settings.MAX_NOTICE_DAYS, required=False
    )


class MailSettingsViewSet(ProjectPathViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.PROJECT_READ,
        "partial_update": KeyScope.PROJECT_WRITE,
    }

    @extend_schema(
        operation_id="mail_settings_retrieve",
        summary="Show the mail settings",
        request=None,
        responses=serializer_of(MailSettingsBody),
    )
    def retrieve(self, request: Request, project_id: str) -> Response:
        return Response(body_of(selectors.settings_of(self.project.pk)))

    @extend_schema(
        operation_id="mail_settings_update",
        summary="Change the mail settings",
        request=MailSettingsSerializer,
        responses=serializer_of(MailSettingsBody),
    )
    def partial_update(self, request: Request, project_id: str) -> Response:
        """Nothing is sent to anybody until you choose a channel; then, what happens from now on.
        Each field that you send replaces the stored value."""
        row = mail_settings.configure(
            project=self.project,
            changes=self.parse_body(MailSettingsSerializer),
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return Response(body_of(row))
