"""``/projects/{project_id}/keys`` and the keys of one app: issue, rotate, revoke.

A project's own key may do this within its project, an app's key within its app. Neither issues,
rotates or revokes a key with a scope that it does not have itself, and what a key with an expiry
issues ends with it at the latest (docs/decisions/0016-app-keys.md).
"""

from datetime import timedelta
from functools import cached_property
from typing import Annotated, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer, WholeNumberField
from projects.keys import api_keys
from projects.keys.api.project_path import ProjectPathViewSet
from projects.keys.api_keys import ApiKeyRequest
from projects.keys.credentials import ProjectCredential
from projects.keys.representation import KeyBody, api_key
from projects.keys.scopes import ALL_SCOPES, PROJECT_ONLY_SCOPES, KeyScope
from projects.keys.selectors import api_keys as stored
from projects.keys.selectors import apps
from projects.models import ApiKey, App

MAX_OVERLAP_HOURS = 24 * 7


class NewKeySerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    scopes = ListField(
        child=serializers.ChoiceField(choices=KeyScope.choices),
        allow_empty=False,
        max_length=len(ALL_SCOPES),
        help_text="What the key can do. Name no more scopes than it needs; the calling key must "
        "have all of them. The key of an app cannot have "
        f"{', '.join(sorted(PROJECT_ONLY_SCOPES))}.",
    )
    expires_at = serializers.DateTimeField(
        required=False,
        help_text="If absent: when the calling key expires; never if that key does not expire.",
    )


class RotationSerializer(StrictSerializer):
    overlap_hours = WholeNumberField(
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        required=False,
        help_text="Hours for which the old key still works. If absent: 24.",
    )


class KeyRevocationSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000, required=False)


class IssuedKeyBody(KeyBody):
    """A new API key with its secret."""

    secret: Annotated[str, "Shown only in this response: store it now."]


class ApiKeysViewSet(ProjectPathViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.KEYS_READ,
        "create": KeyScope.KEYS_WRITE,
        "retrieve": KeyScope.KEYS_READ,
        "rotate": KeyScope.KEYS_WRITE,
        "revoke": KeyScope.KEYS_WRITE,
    }

    @extend_schema(
        operation_id="keys_list", summary="List keys", responses=serializer_of(KeyBody)(many=True)
    )
    def list(self, request: Request, project_id: str) -> Response:
        page = self.paginate_queryset(stored.of(self.project, app_id=self.app_id))
        return self.get_paginated_response([api_key(row) for row in page or []])

    @extend_schema(
        operation_id="keys_create",
        summary="Issue a key",
        request=NewKeySerializer,
        responses={201: serializer_of(IssuedKeyBody)},
    )
    def create(self, request: Request, project_id: str) -> Response:
        """A new key. Its secret is in this answer and nowhere else."""
        request_values = self.parse_body(NewKeySerializer)
        key, secret = api_keys.issue(
            project=self.project,
            request=ApiKeyRequest(app=self.app, **request_values),
            issuer=self.issuer,
            actor=self.caller.actor,
            at=timezone.now(),
        )
        body: IssuedKeyBody = {**api_key(key), "secret": secret}
        return Response(body, status=201)

    @extend_schema(
        operation_id="keys_retrieve", summary="Show a key", responses=serializer_of(KeyBody)
    )
    def retrieve(self, request: Request, project_id: str, key_id: str) -> Response:
        return Response(api_key(self.key(key_id)))

    @extend_schema(
        operation_id="keys_rotate",
        summary="Replace a key",
        request=RotationSerializer,
        responses={201: serializer_of(IssuedKeyBody)},
    )
    def rotate(self, request: Request, project_id: str, key_id: str) -> Response:
        """Issues a new key with the same scopes. The old key works for another `overlap_hours`,
        so that you can replace it everywhere."""
        hours = self.parse_body(RotationSerializer).get("overlap_hours")
        successor, secret = api_keys.rotate(
            key=self.key(key_id),
            overlap=api_keys.DEFAULT_OVERLAP if hours is None else timedelta(hours=hours),
            issuer=self.issuer,
            actor=self.caller.actor,
            at=timezone.now(),
        )
        body: IssuedKeyBody = {**api_key(successor), "secret": secret}
        return Response(body, status=201)

    @extend_schema(
        operation_id="keys_revoke",
        summary="Revoke a key",
        request=KeyRevocationSerializer,
        responses=serializer_of(KeyBody),
    )
    def revoke(self, request: Request, project_id: str, key_id: str) -> Response:
        """Requests with this key are refused from now on. Revoking it again changes nothing."""
        key = api_keys.revoke(
            key=self.key(key_id),
            reason=self.parse_body(KeyRevocationSerializer).get("reason", ""),
            issuer=self.issuer,
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return Response(api_key(key))

    @property
    def issuer(self) -> ProjectCredential | None:
        """The calling key, whose scopes and expiry limit the new key; None for the platform."""
        return self.caller if isinstance(self.caller, ProjectCredential) else None

    @cached_property
    def app_id(self) -> str | None:
        """Id of the app whose keys these are. A key of an app sees the keys of its own app."""
        return self.own_app_id

    @property
    def app(self) -> App | None:
        return apps.get(project=self.project, app_id=self.app_id) if self.app_id else None

    def key(self, key_id: str) -> ApiKey:
        return stored.get(project=self.project, key_id=key_id, app_id=self.app_id)


class AppKeysViewSet(ApiKeysViewSet):
    """The keys of one app."""

    @extend_schema(
        operation_id="app_keys_list",
        summary="List an app's keys",
        responses=serializer_of(KeyBody)(many=True),
    )
    def list(self, request: Request, project_id: str, app_id: str) -> Response:  # type: ignore[override]  # one more part of the address
        return super().list(request, project_id)

    @extend_schema(
        operation_id="app_keys_create",
        summary="Issue a key for an app",
        request=NewKeySerializer,
        responses={201: serializer_of(IssuedKeyBody)},
    )
    def create(self, request: Request, project_id: str, app_id: str) -> Response:  # type: ignore[override]  # one more part of the address
        """A new key of the app. Its secret is in this answer and nowhere else."""
        return super().create(request, project_id)

    @cached_property
    def app_id(self) -> str | None:
        app: App = apps.get(
            project=self.project, app_id=self.kwargs["app_id"], within=self.own_app_id
        )
        return str(app.pk)
