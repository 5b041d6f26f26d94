"""``/entitlements/consume``, ``/reserve``, ``/commit`` and ``/release``: use what one may use.

An everyday ``consume`` goes around REST framework, as a check does; anything unusual about the
request takes the ordinary way, so there is one set of rules.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Annotated, Any, ClassVar, TypedDict

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.parsers import MAX_BODY
from common.api.serializers import StrictSerializer, UserIdField, WholeNumberField
from entitlements import representation
from entitlements.consumption import reservations
from entitlements.consumption import service as consumption
from entitlements.consumption.representation import ReservationBody, reservation
from entitlements.models import Reservation
from entitlements.representation import DecisionBody
from entitlements.resolution.kinds import MAX_LIMIT
from projects.keys.api.authentication import known, require
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from projects.models import Project

SHORTEST, USUAL, LONGEST = 10, 300, 86_400
"""Seconds that a reservation may last."""
JSON = "application/json"
LENGTH = re.compile(r"[0-9]{1,7}")
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
    """What an everyday request asks for."""

    user_id: str
    feature: str
    amount: int = 1
    key: str = ""


def everyday(request: HttpRequest) -> HttpResponse | None:
    """What :class:`ConsumptionViewSet` answers to a ``consume``, without REST framework around it;
    None for a request that is unusual in any way.

    Raises what is refused: what REST framework would, and DomainError.
    """
    if request.META.get("QUERY_STRING") or request.META.get("CONTENT_TYPE") != JSON:
        return None
    try:
        use = _everyday(request.body)
    except (RequestDataTooBig, UnreadablePostError):
        return None
    if use is None:
        return None
    caller = require(request, scope=KeyScope.USAGE_WRITE, at=timezone.now())
    return HttpResponse(_answer(caller.project, use), content_type=JSON)


def ready_for(environ: dict[str, Any]) -> Callable[[], bytes] | None:
    """How to do what the environment of a WSGI ``POST`` asks, without a request being made of it;
    None for all that :func:`everyday` has to look at. It finds the body where it was.

    Who calls what is returned gets the body of :func:`everyday`, or the same errors.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    is_plain = environ.get("CONTENT_TYPE") == JSON and not environ.get("QUERY_STRING")
    if not is_plain or LENGTH.fullmatch(length) is None or int(length) > MAX_BODY:
        return None
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = known(header, scope=KeyScope.USAGE_WRITE, at=timezone.now())
    if caller is None:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    use = _everyday(body) if len(body) == int(length) else None
    return None if use is None else lambda: _answer(caller.project, use)


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
        return Response(_consume(self.calling_project, Use(**self.parse_body(UseSerializer))))

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


def _consume(project: Project, use: Use) -> ConsumptionBody:
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


def _answer(project: Project, use: Use) -> bytes:
    return orjson.dumps(_consume(project, use))


def _settled(row: Reservation) -> Response:
    body: ReservationAnswerBody = {"reservation": reservation(row, at=timezone.now())}
    return Response(body)


def _everyday(body: bytes) -> Use | None:
    """What a body says that everybody would read in the same way; else None.

    No escapes and no member twice: as many quotes as its members need.
    """
    try:
        given = orjson.loads(body) if len(body) <= MAX_BODY and b"\\" not in body else None
    except orjson.JSONDecodeError:
        return None
    if type(given) is not dict or not given.keys() <= {"user_id", "feature", "amount", "key"}:
        return None
    texts = {name: given[name] for name in given if name != "amount"}
    if body.count(b'"') != 2 * len(given) + 2 * len(texts):
        return None
    lengths = {"user_id": 255, "feature": 64, "key": 255}
    if not all(_is_plain(text, lengths[name]) for name, text in texts.items()):
        return None
    amount = given.get("amount", 1)
    if not {"user_id", "feature"} <= given.keys() or type(amount) is not int:
        return None
    return Use(**given) if 0 < amount <= MAX_LIMIT else None


def _is_plain(text: Any, longest: int) -> bool:
    return type(text) is str and 0 < len(text) <= longest and text == text.strip()
