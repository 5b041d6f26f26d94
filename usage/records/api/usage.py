"""``/usage``: record usage, and read totals.

The fast path (:mod:`usage.records.api.fast_path`) answers most requests that record usage. The
rules and the schema are here.
"""

from collections import Counter
from typing import Annotated, Any, ClassVar, NotRequired, TypedDict

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer, UserIdField
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from projects.models import Project
from usage.meters import selectors as meters
from usage.meters.representation import UsageBody
from usage.periods import Unit
from usage.records import recording, usage_of_users
from usage.records.columns import EntryColumns
from usage.records.recording import MAX_ENTRIES, RecordResult, RecordStatus, UsageEntry
from usage.records.usage_of_users import LONGEST
from usage.totals.api import ValueField

RECORDED = RecordStatus.RECORDED.value
"""A plain string: orjson serialises enumeration members much more slowly."""


class EntrySerializer(StrictSerializer):
    user_id = UserIdField()
    meter = serializers.CharField(max_length=64, help_text="The meter's code.")
    value = ValueField(
        required=False,
        help_text="A whole number from 0 to 2⁵³ − 1. For a `unique` meter: text of up to 255 "
        "characters. A `count` meter ignores it.",
    )
    occurred_at = serializers.DateTimeField(
        required=False,
        help_text="Time of the use, at most 35 days ago and 5 minutes ahead. If absent: now.",
    )
    key = serializers.CharField(
        max_length=255,
        required=False,
        help_text="Your own id of the record. A second record with the same key is not counted.",
    )


class BatchSerializer(StrictSerializer):
    records = ListField(child=EntrySerializer(), min_length=1, max_length=MAX_ENTRIES)


class RecordOutcomeBody(TypedDict):
    """Result for one record of the request."""

    status: Annotated[str, RecordStatus]
    id: NotRequired[Annotated[str, "Id of the record; absent if it was refused."]]
    code: NotRequired[Annotated[str, "Why it was refused: the `code` of a problem document."]]
    detail: NotRequired[Annotated[str, "What to change before you send it again."]]


class RecordOutcomesBody(TypedDict):
    data: list[RecordOutcomeBody]
    recorded: int
    duplicates: int
    refused: int


class UsageQuerySerializer(StrictSerializer):
    user_id = UserIdField()
    meter = serializers.CharField(max_length=64, help_text="The meter's code.")
    group_by = serializers.ChoiceField(choices=[each.value for each in LONGEST], required=False)

    def get_fields(self) -> dict[str, Any]:
        """Add ``from`` and ``to``: ``from`` is a Python keyword and cannot be an attribute."""
        since = serializers.DateTimeField(
            required=False,
            help_text="Start, inclusive: a full hour. If absent: start of the month of `to`.",
        )
        until = serializers.DateTimeField(
            required=False,
            help_text="End, exclusive: a full hour. If absent: end of the current hour.",
        )
        return {**super().get_fields(), "from": since, "to": until}


class UsageViewSet(ProjectViewSet):
    """Usage of one user and meter."""

    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.USAGE_READ,
        "create": KeyScope.USAGE_WRITE,
    }
    query = {"retrieve": UsageQuerySerializer}
    transactional = True

    @extend_schema(
        operation_id="usage_retrieve", summary="Show usage", responses=serializer_of(UsageBody)
    )
    def retrieve(self, request: Request) -> Response:
        """A user's usage of one meter in a time range. With `group_by` also per hour (at most 31
        days), day (at most 400 days) or month. Voided records do not count. An unknown user has
        used nothing."""
        parameters, now = self.query_values, timezone.now()
        meter = meters.get(project=self.calling_project, code=parameters["meter"])
        unit = Unit(parameters["group_by"]) if "group_by" in parameters else None
        since, until = usage_of_users.time_range(
            since=parameters.get("from"), until=parameters.get("to"), unit=unit, now=now
        )
        body = usage_of_users.read(
            project=self.calling_project,
            user_id=parameters["user_id"],
            meter=meter,
            time_range=(since, until),
            unit=unit,
        )
        return Response(body)

    @extend_schema(
        operation_id="usage_record",
        summary="Record usage",
        request=PolymorphicProxySerializer(
            component_name="NewUsage",
            serializers=[EntrySerializer, BatchSerializer],
            resource_type_field_name=None,
        ),
        responses={
            200: PolymorphicProxySerializer(
                component_name="UsageOutcome",
                serializers=[serializer_of(RecordOutcomesBody), serializer_of(RecordOutcomeBody)],
                resource_type_field_name=None,
            ),
            201: serializer_of(RecordOutcomeBody),
        },
    )
    def create(self, request: Request) -> Response:
        """Send one record, or up to 1,000 as `records`. Each record of a batch has its own result:
        a refused record does not affect the others. A single record that is refused gets a
        problem document, and a single duplicate gets 200."""
        is_batch = isinstance(request.data, dict) and "records" in request.data
        if is_batch:
            values = self.parse_body(BatchSerializer)["records"]
        else:
            values = [self.parse_body(EntrySerializer)]
        entries = EntryColumns(*zip(*(UsageEntry(**each) for each in values), strict=True))
        status, body = record_entries(self.calling_project, entries, is_batch=is_batch)
        return Response(body, status=status)


def record_entries(
    project: Project, entries: EntryColumns, *, is_batch: bool
) -> tuple[int, RecordOutcomeBody | RecordOutcomesBody]:
    """HTTP status and body of the response; raises the refusal of a single record."""
    ids, exceptions = recording.record_columns(project=project, entries=entries, at=timezone.now())
    data: list[RecordOutcomeBody] = [{"status": RECORDED, "id": record_id} for record_id in ids]
    for position, result in exceptions.items():
        data[position] = _render(result)
    if not is_batch:
        if exceptions and exceptions[0].refusal is not None:
            raise exceptions[0].refusal
        return 200 if exceptions else 201, data[0]
    by_status = Counter([result.status for result in exceptions.values()])
    return 200, {
        "data": data,
        "recorded": len(ids) - len(exceptions),
        "duplicates": by_status[RecordStatus.DUPLICATE],
        "refused": by_status[RecordStatus.REFUSED],
    }


def _render(result: RecordResult) -> RecordOutcomeBody:
    status, id_, refusal = result
    if refusal is None:
        return {"status": status.value, "id": id_}
    return {"status": status.value, "code": refusal.code, "detail": refusal.detail}
