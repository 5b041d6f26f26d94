"""``/entitlements/consume``, ``/reserve``, ``/commit`` and ``/release``: use a limited feature.

The fast path (:mod:`entitlements.consumption.fast_path`) answers most ``consume`` requests; the
rules and the schema are here.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, TypedDict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField, WholeNumberField
from entitlements import representation
from entitlements.consumption import reservations
from entitlements.consumption import service as consumption
from entitlements.consumption.representation import ReservationBody, reservation
from entitlements.models import Reservation
from entitlements.representation import DecisionBody
from entitlements.resolution.kinds import MAX_LIMIT
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from projects.models import Project

SHORTEST, USUAL, LONGEST = 10, 300, 86_400
"""Lifetime of a reservation in seconds: the least, the default and the most."""
KEY = "Your own id of this {}. A second request with the same key is not {} again."


class ConsumeSerializer(StrictSerializer):
    user_id = UserIdField()
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")
    amount = WholeNumberField(min_value=1, max_value=MAX_LIMIT, default=1)
    key = serializers.CharField(
        max_length=255, required=False, help_text=KEY.format("use", "counted")
    )


class ReserveSerializer(ConsumeSerializer):
    expires_in = WholeNumberField(
        min_value=SHORTEST, max_value=LONGEST, default=USUAL, help_text="Lifetime in seconds."
    )
    key = serializers.CharField(
        max_length=255, required=False, help_text=KEY.format("reservation", "set aside")
    )


class ReleaseSerializer(StrictSerializer):
    reservation = serializers.CharField(max_length=64, help_text="Id of the reservation.")


class CommitSerializer(ReleaseSerializer):
    amount = WholeNumberField(
        min_value=0,
        max_value=MAX_LIMIT,
        required=False,
        help_text="The amount that was used; the rest is released. If absent: all of it.",
    )


class ConsumptionBody(DecisionBody):
    """The decision about this use, and what was consumed. ``used`` and ``remaining`` include this
    use."""

    consumed: Annotated[int, "The whole amount, or 0 if the use is not allowed."]
    record: Annotated[str | None, "Id of the usage record or of the credit transaction (ctx_…)."]
    duplicate: Annotated[bool, "True: an earlier request with the same key did it."]


class ReservedBody(TypedDict):
    reservation: Annotated[ReservationBody | None, "Null if the use is not allowed."]
    decision: DecisionBody
    duplicate: Annotated[bool, "True: an earlier request with the same key did it."]


class EndedReservationBody(TypedDict):
    reservation: ReservationBody


@dataclass(frozen=True, slots=True)
class Use:
    """What a ``consume`` request asks for."""

    user_id: str
    feature: str
    amount: int = 1
    key: str = ""


class ConsumptionViewSet(ProjectViewSet):
    """Consume a limited feature, at once or by a reservation."""

    scopes: ClassVar[dict[str, str]] = {
        "consume": KeyScope.USAGE_WRITE,
        "reserve": KeyScope.USAGE_WRITE,
        "commit": KeyScope.USAGE_WRITE,
        "release": KeyScope.USAGE_WRITE,
    }
    transactional = True

    @extend_schema(
        operation_id="entitlements_consume",
        summary="Consume a feature, if it is allowed",
        request=ConsumeSerializer,
        responses={200: serializer_of(ConsumptionBody)},
    )
    def consume(self, request: Request) -> Response:
        """Checks and counts in one step: concurrent requests never use more than the limit.
        A denial is a normal answer with `consumed` 0. 409 `not-consumable` if the feature is
        neither metered nor paid with credits."""
        return Response(
            consume_use(self.calling_project, Use(**self.parse_body(ConsumeSerializer)))
        )

    @extend_schema(
        operation_id="entitlements_reserve",
        summary="Reserve an amount of a feature",
        request=ReserveSerializer,
        responses={200: serializer_of(ReservedBody)},
    )
    def reserve(self, request: Request) -> Response:
        """For work whose amount is known only when it is done. The reserved amount counts against
        the limit until you release it or it expires; a commit consumes it."""
        request_values = self.parse_body(ReserveSerializer)
        lifetime = timedelta(seconds=request_values.pop("expires_in"))
        now = timezone.now()
        result = reservations.reserve(
            project=self.calling_project, lifetime=lifetime, at=now, **request_values
        )
        row = result.reservation
        body: ReservedBody = {
            "reservation": None if row is None else reservation(row, at=now),
            "decision": representation.decision(result.decision),
            "duplicate": result.is_duplicate,
        }
        return Response(body)

    @extend_schema(
        operation_id="entitlements_commit",
        summary="Commit a reservation",
        request=CommitSerializer,
        responses={200: serializer_of(EndedReservationBody, name="EndedReservation")},
    )
    def commit(self, request: Request) -> Response:
        """Consumes all or part of the reserved amount and releases the rest. Repeating the request
        changes nothing."""
        request_values = self.parse_body(CommitSerializer)
        row = reservations.commit(
            project=self.calling_project,
            reservation_id=request_values["reservation"],
            amount=request_values.get("amount"),
            at=timezone.now(),
        )
        return _settled(row)

    @extend_schema(
        operation_id="entitlements_release",
        summary="Release a reservation",
        request=ReleaseSerializer,
        responses={200: serializer_of(EndedReservationBody, name="EndedReservation")},
    )
    def release(self, request: Request) -> Response:
        """The reserved amount is available again. Repeating the request changes nothing."""
        request_values = self.parse_body(ReleaseSerializer)
        row = reservations.release(
            project=self.calling_project,
            reservation_id=request_values["reservation"],
            at=timezone.now(),
        )
        return _settled(row)


def consume_use(project: Project, use: Use) -> ConsumptionBody:
    """Consume and return the body of the response. Raises DomainError."""
    consumed = consumption.consume(
        project=project,
        user_id=use.user_id,
        feature=use.feature,
        amount=use.amount,
        at=timezone.now(),
        key=use.key,
    )
    return render_consumption(consumed)


def render_consumption(consumed: consumption.Consumption) -> ConsumptionBody:
    return {
        **representation.decision(consumed.decision),
        "consumed": consumed.consumed,
        "record": consumed.record,
        "duplicate": consumed.is_duplicate,
    }


def _settled(row: Reservation) -> Response:
    body: EndedReservationBody = {"reservation": reservation(row, at=timezone.now())}
    return Response(body)
