"""``/entitlements``: the decisions about all features of one user."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import UserIdField
from entitlements import representation
from entitlements.decisions.api.context_parameters import (
    OutlookQuerySerializer,
    evaluation_context,
    is_plain,
)
from entitlements.decisions.selectors import decisions
from entitlements.representation import EntitlementsBody
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class WhoseSerializer(OutlookQuerySerializer):
    user_id = UserIdField()


class EntitlementsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {"retrieve": KeyScope.ENTITLEMENTS_READ}
    query = {"retrieve": WhoseSerializer}

    @extend_schema(
        operation_id="entitlements_retrieve",
        summary="Show all entitlements of a user",
        responses=serializer_of(EntitlementsBody),
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Returns a decision for every feature. An unknown user has only the free tier."""
        parameters, now = self.query_values, timezone.now()
        project, user_id = self.calling_project, parameters["user_id"]
        if is_plain(parameters):
            entitlements = decisions.entitlements_of(project=project, user_id=user_id, at=now)
            return Response(representation.entitlements(entitlements))
        entitlements, explained = decisions.explain_all(
            project=project,
            user_id=user_id,
            context=evaluation_context(project, parameters, now=now),
        )
        body = representation.entitlements(entitlements)
        if parameters.get("explain"):
            body["entitlements"] = [representation.explained(each) for each in explained.values()]
        return Response(body)
