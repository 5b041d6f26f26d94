"""``/free-tier``: the features that every user has without a purchase, unknown users too."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer
from entitlements.api_fields import FeatureValueField
from entitlements.decisions.selectors import free_tier as stored
from entitlements.free_tier import representation
from entitlements.free_tier import service as free_tier
from entitlements.free_tier.representation import FreeTierBody
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope


class FreeFeatureSerializer(StrictSerializer):
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")
    value = FeatureValueField(default=True)


class NewFreeTierSerializer(StrictSerializer):
    features = ListField(child=FreeFeatureSerializer(), max_length=free_tier.MAX_FEATURES)


class FreeTierViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.CATALOG_READ,
        "update": KeyScope.CATALOG_WRITE,
    }
    transactional = True

    @extend_schema(
        operation_id="free_tier_retrieve",
        summary="Show the free tier",
        responses=serializer_of(FreeTierBody),
    )
    def retrieve(self, request: Request) -> Response:
        return self._answer()

    @extend_schema(
        operation_id="free_tier_update",
        summary="Replace the free tier",
        request=NewFreeTierSerializer,
        responses=serializer_of(FreeTierBody),
    )
    def update(self, request: Request) -> Response:
        """The features that every user has without a purchase. Features that you do not send are
        removed. Decisions change at once. The events of customers whose decisions change are sent
        in the background."""
        project = self.calling_project
        features = self.parse_body(NewFreeTierSerializer)["features"]
        values = [(feature["feature"], feature["value"]) for feature in features]
        free_tier.replace(
            project=project,
            features=free_tier.find_features(project=project, values=values),
            actor=self.actor,
            at=timezone.now(),
        )
        return self._answer()

    def _answer(self) -> Response:
        return Response(representation.free_tier(stored.current(project=self.calling_project)))
