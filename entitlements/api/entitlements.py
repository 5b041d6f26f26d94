"""``/entitlements``: everything that one user may do."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.serializers import StrictSerializer, UserIdField
from common.api.views import ProjectViewSet
from entitlements import representation
from entitlements.api.serializers import EntitlementsSerializer
from entitlements.selectors import decisions
from projects.scopes import Scope


class WhoseSerializer(StrictSerializer):
    user_id = UserIdField()


class EntitlementsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {"retrieve": Scope.ENTITLEMENTS_READ}
    query = {"retrieve": WhoseSerializer}

    @extend_schema(
        operation_id="entitlements_retrieve",
        summary="Everything that one user may do",
        responses=EntitlementsSerializer,
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A decision for every feature; an unknown user is entitled to nothing yet."""
        standing = decisions.standing(
            project=self.calling_project,
            user_id=self.query_values["user_id"],
            at=timezone.now(),
        )
        return Response(representation.standing(standing))
