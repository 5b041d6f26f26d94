"""``/meters``: the meters of a project."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import FlagField, StrictSerializer
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from usage.meters import representation
from usage.meters import selectors as stored
from usage.meters import service as meters
from usage.meters.representation import MeterBody
from usage.models import Meter
from usage.models.meter import Aggregation

CODE = r"[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?"


class NewMeterSerializer(StrictSerializer):
    code = serializers.RegexField(
        rf"^{CODE}\Z",
        max_length=64,
        trim_whitespace=False,
        help_text="Your software's name for the meter. It never changes.",
        error_messages={
            "invalid": "Lower-case letters, digits, '_', '.' and '-', with a letter or digit at "
            "both ends."
        },
    )
    name = serializers.CharField(max_length=120)
    aggregation = serializers.ChoiceField(
        choices=Aggregation.choices,
        help_text="How the values of the records become one total. It never changes.",
    )
    unit = serializers.CharField(
        max_length=40, required=False, help_text="What the total counts, such as `requests`."
    )


class MeterChangeSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False)
    unit = serializers.CharField(max_length=40, required=False, allow_blank=True)
    archived = FlagField(
        required=False,
        help_text="An archived meter takes no new records; its records and totals stay.",
    )


class MeterFilterSerializer(StrictSerializer):
    archived = serializers.BooleanField(
        required=False, help_text="True: only archived ones. False: none."
    )


class MetersViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.CATALOG_READ,
        "retrieve": KeyScope.CATALOG_READ,
        "create": KeyScope.CATALOG_WRITE,
        "partial_update": KeyScope.CATALOG_WRITE,
    }
    transactional = True
    query = {"list": MeterFilterSerializer}
    lookup_field = "code"
    lookup_value_regex = CODE

    @extend_schema(summary="List meters", responses=serializer_of(MeterBody)(many=True))
    def list(self, request: Request) -> Response:
        """Newest first."""
        rows = stored.listing(
            project=self.calling_project, archived=self.query_values.get("archived")
        )
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.meter(row) for row in page or ()])

    @extend_schema(
        summary="Define a meter",
        request=NewMeterSerializer,
        responses={201: serializer_of(MeterBody)},
    )
    def create(self, request: Request) -> Response:
        """Its code and aggregation never change. 409 ``meter-exists`` if another meter has the
        code."""
        meter = meters.create(
            project=self.calling_project,
            **self.parse_body(NewMeterSerializer),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(representation.meter(meter), status=201)

    @extend_schema(summary="Show a meter", responses=serializer_of(MeterBody))
    def retrieve(self, request: Request, code: str) -> Response:
        return Response(representation.meter(self._meter(code)))

    @extend_schema(
        summary="Rename, archive or restore a meter",
        request=MeterChangeSerializer,
        responses=serializer_of(MeterBody),
    )
    def partial_update(self, request: Request, code: str) -> Response:
        """Fields that you do not send keep their values."""
        changes = self.parse_body(MeterChangeSerializer)
        meter = meters.change(
            meter=self._meter(code), **changes, actor=self.actor, at=timezone.now()
        )
        return Response(representation.meter(meter))

    def _meter(self, code: str) -> Meter:
        return stored.get(project=self.calling_project, code=code)
