"""List, void and correct usage records: ``/usage/records``, ``/usage/{record}/void`` and
``/usage/{record}/correct``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.pagination import CursorPagination
from common.api.serializers import StrictSerializer, UserIdField
from projects.customers import selectors as customers
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from usage.meters import representation
from usage.meters import selectors as meters
from usage.meters.representation import RecordBody
from usage.models import Record
from usage.records import corrections
from usage.records.selectors import records
from usage.totals.api import ValueField

CURSOR = re.compile(r"(\d{1,16})\.(use_[0-9a-z]{26})", re.ASCII)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class RecordsQuerySerializer(StrictSerializer):
    user_id = UserIdField()
    meter = serializers.CharField(max_length=64, help_text="The meter's code.")

    def get_fields(self) -> dict[str, Any]:
        """Add ``from`` and ``to``: ``from`` is a Python keyword and cannot be an attribute."""
        since = serializers.DateTimeField(
            required=False, help_text="Only uses at this time or later."
        )
        until = serializers.DateTimeField(required=False, help_text="Only uses before this time.")
        return {**super().get_fields(), "from": since, "to": until}


class CorrectionSerializer(StrictSerializer):
    value = ValueField(help_text="The correct value.")


class RecordPagination(CursorPagination):
    """Pages by time of use, newest first."""

    def ordered(self, queryset: Any) -> Any:
        return queryset.order_by("-occurred_at", "-id")

    def after(self, queryset: Any, cursor: str) -> Any:
        match = CURSOR.fullmatch(cursor)
        if match is None:
            self.refuse()
        moment, id_ = BEGINNING + int(match[1]) * MICROSECOND, match[2]
        is_later_in_list = Q(occurred_at__lt=moment) | Q(occurred_at=moment, id__lt=id_)
        return queryset.filter(is_later_in_list, occurred_at__lte=moment)

    def cursor_of(self, row: Record) -> str:
        return f"{(row.occurred_at - BEGINNING) // MICROSECOND}.{row.id}"


class RecordsViewSet(ProjectViewSet):
    """Usage records of one user and meter."""

    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.USAGE_READ,
        "void": KeyScope.USAGE_WRITE,
        "correct": KeyScope.USAGE_WRITE,
    }
    query = {"list": RecordsQuerySerializer}
    pagination_class = RecordPagination
    transactional = True

    @extend_schema(
        operation_id="usage_records_list",
        summary="List usage records",
        responses=serializer_of(RecordBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """A user's records of one meter, voided ones included, newest use first."""
        parameters = self.query_values
        customer = customers.find(project=self.calling_project, user_id=parameters["user_id"])
        meter = meters.get(project=self.calling_project, code=parameters["meter"])
        rows = records.listing(
            project=self.calling_project,
            customer_id=customer.pk if customer else customers.NO_CUSTOMER,
            meter_id=meter.pk,
            since=parameters.get("from"),
            until=parameters.get("to"),
        )
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([representation.record(row) for row in page or ()])

    @extend_schema(
        operation_id="usage_void",
        summary="Void a usage record",
        request=None,
        responses=serializer_of(RecordBody),
    )
    def void(self, request: Request, record: str) -> Response:
        """The record no longer counts. Totals and limits change at once; a record that Stripe
        already has is cancelled at Stripe."""
        self.parse_body(StrictSerializer)
        row = corrections.void(project=self.calling_project, record_id=record, at=timezone.now())
        return Response(representation.record(row))

    @extend_schema(
        operation_id="usage_correct",
        summary="Correct a usage record",
        request=CorrectionSerializer,
        responses={201: serializer_of(RecordBody)},
    )
    def correct(self, request: Request, record: str) -> Response:
        """Voids the record, creates a new one with the same time and the correct value, and returns
        the new one. The same correction again returns the same record. 409 ``usage-voided`` if
        the record was voided, or corrected to another value."""
        row = corrections.correct(
            project=self.calling_project,
            record_id=record,
            **self.parse_body(CorrectionSerializer),
            at=timezone.now(),
        )
        return Response(representation.record(row), status=201)
