"""``/projects/{project_id}/permission-map``: the permissions that each feature stands for."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer
from common.errors import Invalid
from entitlements.permissions import representation, selectors
from entitlements.permissions import service as permissions
from entitlements.permissions.representation import PermissionMapBody
from projects.keys.api.project_path import ProjectPathViewSet
from projects.keys.scopes import KeyScope


class FeaturePermissionsSerializer(StrictSerializer):
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")
    permissions = ListField(
        child=serializers.CharField(max_length=64),
        max_length=permissions.MAX_PERMISSIONS,
        help_text="Their names at your auth service: letters, digits and `_ . : / -`.",
    )


class NewPermissionMapSerializer(StrictSerializer):
    features = ListField(child=FeaturePermissionsSerializer(), max_length=permissions.MAX_FEATURES)


class PermissionMapViewSet(ProjectPathViewSet):
    transactional = True
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.PROJECT_READ,
        "update": KeyScope.PROJECT_WRITE,
    }
    project_only = frozenset({"update"})

    @extend_schema(
        operation_id="permission_map_retrieve",
        summary="Show the permission map",
        responses=serializer_of(PermissionMapBody),
    )
    def retrieve(self, request: Request, project_id: str) -> Response:
        names = selectors.names_of(self.project)
        return Response(representation.permission_map(names))

    @extend_schema(
        operation_id="permission_map_update",
        summary="Replace the permission map",
        request=NewPermissionMapSerializer,
        responses=serializer_of(PermissionMapBody),
    )
    def update(self, request: Request, project_id: str) -> Response:
        """Which permissions at your auth service each feature stands for. Features that you do not
        send stand for none. Each user whose permissions change gets a `user.permissions_changed`
        event with the whole set, in the background."""
        entries = self.parse_body(NewPermissionMapSerializer)["features"]
        names = {entry["feature"]: entry["permissions"] for entry in entries}
        if len(names) < len(entries):
            raise Invalid("Name each feature only once.", field="features")
        after = permissions.replace(
            project=self.project, names=names, actor=self.caller.actor, at=timezone.now()
        )
        return Response(representation.permission_map(after))
