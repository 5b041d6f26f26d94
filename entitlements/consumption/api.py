"""``/entitlements/consume``, ``/reserve``, ``/commit`` and ``/release``: use what one may use.

Most ``consume`` requests are answered on the fast path (:mod:`entitlements.consumption.fast_path`);
the rules and the schema are here.
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
"""Seconds that a reservation may last."""
KEY = "Your own id of this {}: sent again, it is not {} again."


class UseSerializer(StrictSerializer):
    user_id = UserIdField()
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")
    amount = WholeNumberField(min_value=1, max_value=MAX_LIMIT, default=1)
    key = serializers.CharField(
        max_length=255, required=False, help_text=KEY.format("use", "counted")
    )


class WishSerializer(UseSerializer):
    expires_in = WholeNumberField(
        min_value=SHORTEST, max_value=LONGEST, default=USUAL, help_text="Seconds."
    )
    key = serializers.CharField(
        max_length=255, required=False, help_text=KEY.format("reservation", "set aside")
    )


class SettlementSerializer(StrictSerializer):
    reservation = serializers.CharField(max_length=64, help_text="Id of the reservation.")


class CommitmentSerializer(SettlementSerializer):
    amount = WholeNumberField(
        min_value=0,
        max_value=MAX_LIMIT,
        required=False,
        help_text="How much of it was used; all of it when absent. The rest is given back.",
    )


class ConsumptionBody(DecisionBody):
    """The decision about this use, with the figures after it, and what was used: all or nothing."""

    consumed: Annotated[int, "The amount, or 0 when it was not allowed."]
    record: Annotated[str | None, "Id of the record of use, or of the ledger's transaction."]
    duplicate: Annotated[bool, "It was done before, under the same key."]


class ReservedBody(TypedDict):
    reservation: Annotated[ReservationBody | None, "Null when it is not allowed."]
    decision: DecisionBody
    duplicate: Annotated[bool, "It was done before, under the same key."]


class ReservationAnswerBody(TypedDict):
    reservation: ReservationBody


@dataclass(frozen=True, slots=True)
class Use:
    """What a ``consume`` request asks for."""

    user_id: str
    feature: str
    amount: int = 1
    key: str = ""


class ConsumptionViewSet(ProjectViewSet):
    """Use what one may use."""

    scopes: ClassVar[dict[str, str]] = {
        "consume": KeyScope.USAGE_WRITE,
        "reserve": KeyScope.USAGE_WRITE,
        "commit": KeyScope.USAGE_WRITE,
        "release": KeyScope.USAGE_WRITE,
    }
    transactional = True

    @extend_schema(
        operation_id="entitlements_consume",
        summary="Use a feature, if it is allowed",
        request=UseSerializer,
        responses={200: serializer_of(ConsumptionBody)},
    )
    def consume(self, request: Request) -> Response:
        """Checks and counts in one step: however many ask at once, no more is used than allowed.
        A denial is an answer, with `consumed` 0. 409 `not-consumable` for a feature that is not
        used up."""
        return Response(consume_use(self.calling_project, Use(**self.parse_body(UseSerializer))))

    @extend_schema(
        operation_id="entitlements_reserve",
        summary="Set some of a feature aside",
        request=WishSerializer,
        responses={200: serializer_of(ReservedBody)},
    )
    def reserve(self, request: Request) -> Response:
        """For work whose use is known only when it is done: nobody else gets what is set aside,
        until it is committed, released or expires."""
        given = self.parse_body(WishSerializer)
        lifetime = timedelta(seconds=given.pop("expires_in"))
        now = timezone.now()
        made = reservations.reserve(
            project=self.calling_project, lifetime=lifetime, at=now, **given
        )
        row = made.reservation
        body: ReservedBody = {
            "reservation": None if row is None else reservation(row, at=now),
            "decision": representation.decision(made.decision),
            "duplicate": made.is_duplicate,
        }
        return Response(body)

    @extend_schema(
        operation_id="entitlements_commit",
        summary="Use what was set aside",
        request=CommitmentSerializer,
        responses={200: serializer_of(ReservationAnswerBody, name="Settled")},
    )
    def commit(self, request: Request) -> Response:
        """All of it or some; the rest is given back. The same again changes nothing."""
        given = self.parse_body(CommitmentSerializer)
        row = reservations.commit(
            project=self.calling_project,
            reservation_id=given["reservation"],
            amount=given.get("amount"),
            at=timezone.now(),
        )
        return _settled(row)

    @extend_schema(
        operation_id="entitlements_release",
        summary="Give back what was set aside",
        request=SettlementSerializer,
        responses={200: serializer_of(ReservationAnswerBody, name="Settled")},
    )
    def release(self, request: Request) -> Response:
        """The same again changes nothing."""
        given = self.parse_body(SettlementSerializer)
        row = reservations.release(
            project=self.calling_project, reservation_id=given["reservation"], at=timezone.now()
        )
        return _settled(row)


def consume_use(project: Project, use: Use) -> ConsumptionBody:
    """Consume, and return the members of the answer. Raises DomainError."""
    made = consumption.consume(
        project=project,
        user_id=use.user_id,
        feature=use.feature,
        amount=use.amount,
        at=timezone.now(),
        key=use.key,
    )
    return {
        **representation.decision(made.decision),
        "consumed": made.consumed,
        "record": made.record,
        "duplicate": made.is_duplicate,
    }


def _settled(row: Reservation) -> Response:
    body: ReservationAnswerBody = {"reservation": reservation(row, at=timezone.now())}
    return Response(body)
