"""``/features``: the features of a project."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import FlagField, StrictSerializer
from entitlements.features import representation
from entitlements.features import service as features
from entitlements.features.representation import FeatureBody
from entitlements.features.selectors import features as stored
from entitlements.features.service import FeatureMetering, FeatureRequest
from entitlements.models import Feature
from entitlements.models.feature import PERIODS, FeatureKind, Merge
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MEASURE = ("meter", "period", "anchored")
CODE = r"[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?"


class NewFeatureSerializer(StrictSerializer):
    code = serializers.RegexField(
        rf"^{CODE}\Z",
        max_length=64,
        trim_whitespace=False,
        help_text="The name that your software checks. It never changes.",
        error_messages={
            "invalid": "Lower-case letters, digits, '_', '.' and '-', with a letter or digit at "
            "both ends."
        },
    )
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=FeatureKind.choices, default=FeatureKind.BOOLEAN.value)
    unit = serializers.CharField(max_length=40, required=False, help_text="What a limit counts.")
    merge = serializers.ChoiceField(
        choices=Merge.choices,
        required=False,
        help_text="How the values of several sources become one. most_generous (the default): the "
        "best value. sum: add limits up. priority: the only rule for a config.",
    )
    meter = serializers.CharField(
        max_length=64, required=False, help_text="Of a metered feature: the code of its meter."
    )
    period = serializers.ChoiceField(
        choices=PERIODS,
        required=False,
        help_text="Of a metered feature: its usage starts again at 0 after each period.",
    )
    anchored = FlagField(
        required=False,
        help_text="True: periods begin on the day on which the deciding source began, such as the "
        "billing day of the subscription. False: periods follow the calendar (UTC).",
    )


class FeatureChangeSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False)
    unit = serializers.CharField(max_length=40, required=False, allow_blank=True)
    archived = FlagField(
        required=False,
        help_text="New grants and products cannot use an archived feature. Customers who have it "
        "keep it.",
    )


class FeatureFilterSerializer(StrictSerializer):
    archived = serializers.BooleanField(
        required=False, help_text="True: only archived ones. False: none."
    )


class FeaturesViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CATALOG_READ,
        "retrieve": KeyScope.CATALOG_READ,
        "create": KeyScope.CATALOG_WRITE,
        "partial_update": KeyScope.CATALOG_WRITE,
    }
    transactional = True
    query = {"list": FeatureFilterSerializer}
    lookup_field = "code"
    lookup_value_regex = CODE

    @extend_schema(summary="List features", responses=serializer_of(FeatureBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(
            project=self.calling_project, archived=self.query_values.get("archived")
        )
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.feature(row) for row in page or ()])

    @extend_schema(
        summary="Define a feature",
        request=NewFeatureSerializer,
        responses={201: serializer_of(FeatureBody)},
    )
    def create(self, request: Request) -> Response:
        """Only its name and unit can be changed later. 409 ``feature-exists`` if another feature
        has the code."""
        body = self.parse_body(NewFeatureSerializer)
        measure = FeatureMetering(**{name: body.pop(name) for name in MEASURE if name in body})
        feature = features.create(
            project=self.calling_project,
            request=FeatureRequest(metering=measure, **body),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.feature(feature), status=201)

    @extend_schema(summary="Show a feature", responses=serializer_of(FeatureBody))
    def retrieve(self, request: Request, code: str) -> Response:
        return Response(representation.feature(self._feature(code)))

    @extend_schema(
        summary="Rename, archive or restore a feature",
        request=FeatureChangeSerializer,
        responses=serializer_of(FeatureBody),
    )
    def partial_update(self, request: Request, code: str) -> Response:
        """Fields that you do not send keep their values."""
        changes = self.parse_body(FeatureChangeSerializer)
        feature = features.change(
            feature=self._feature(code), **changes, actor=self.actor, at=timezone.now()
        )
        return Response(representation.feature(feature))

    def _feature(self, code: str) -> Feature:
        return stored.get(project=self.calling_project, code=code)
