"""``/projects/{project_id}/apps``: the micro-apps of a project."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import FlagField, StrictSerializer
from projects import representation
from projects.keys.api.project_path import ProjectPathViewSet
from projects.keys.scopes import KeyScope
from projects.keys.selectors import apps as stored
from projects.models import App
from projects.representation import AppBody
from projects.tenants import apps

SLUG = r"^[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?\Z"


class NewAppSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    slug = serializers.RegexField(
        SLUG, max_length=50, required=False, help_text="If absent, it is made from the name."
    )


class AppChangesSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False)
    archived = FlagField(required=False, help_text="The keys of an archived app are refused.")


class AppsViewSet(ProjectPathViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.PROJECT_READ,
        "create": KeyScope.PROJECT_WRITE,
        "retrieve": KeyScope.PROJECT_READ,
        "partial_update": KeyScope.PROJECT_WRITE,
    }

    @extend_schema(
        operation_id="apps_list", summary="List apps", responses=serializer_of(AppBody)(many=True)
    )
    def list(self, request: Request, project_id: str) -> Response:
        """Every app of the project. The key of an app gets that app only."""
        page = self.paginate_queryset(stored.of(self.project, app_id=self.own_app_id))
        return self.get_paginated_response([representation.app(row) for row in page or []])

    @extend_schema(
        operation_id="apps_create",
        summary="Add an app",
        request=NewAppSerializer,
        responses={201: serializer_of(AppBody)},
    )
    def create(self, request: Request, project_id: str) -> Response:
        app = apps.create(
            project=self.project,
            **self.parse_body(NewAppSerializer),
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return Response(representation.app(app), status=201)

    @extend_schema(
        operation_id="apps_retrieve", summary="Show an app", responses=serializer_of(AppBody)
    )
    def retrieve(self, request: Request, project_id: str, app_id: str) -> Response:
        return Response(representation.app(self.app(app_id)))

    @extend_schema(
        operation_id="apps_update",
        summary="Rename, archive or restore an app",
        request=AppChangesSerializer,
        responses=serializer_of(AppBody),
    )
    def partial_update(self, request: Request, project_id: str, app_id: str) -> Response:
        app = apps.change(
            app=self.app(app_id),
            **self.parse_body(AppChangesSerializer),
            actor=self.caller.actor,
            at=timezone.now(),
        )
        return Response(representation.app(app))

    def app(self, app_id: str) -> App:
        """The app in the address; raises NotFound when the caller may not see it."""
        return stored.get(project=self.project, app_id=app_id, within=self.own_app_id)
