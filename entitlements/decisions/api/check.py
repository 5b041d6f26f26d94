"""``/entitlements/check``: the hottest path of the service.

Everyday requests go around REST framework, and around the middleware that they do not need
(``config.hot``): the same key, scope, answer and refusals, without its cost. A request with
anything unusual in it takes the ordinary way; so there is one set of rules, and the schema
describes this resource like any other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, TypedDict
from urllib.parse import parse_qsl

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
from common.api.serializers import ListField, StrictSerializer, UserIdField
from common.bodies import UserId
from entitlements.cache import service as cache
from entitlements.decisions import checks
from entitlements.decisions.api.outlook import (
    OutlookBodySerializer,
    OutlookQuerySerializer,
    is_everyday,
    outlook,
)
from entitlements.representation import ExplainedBody
from entitlements.resolution.decision import Question
from projects.keys.api.authentication import known, require
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope
from projects.models import Project

MOST = 1000
"""How many questions one call may ask."""


class QuestionSerializer(StrictSerializer):
    user_id = UserIdField()
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")


class CheckSerializer(QuestionSerializer, OutlookQuerySerializer):
    """One question, from an outlook."""


class QuestionsSerializer(OutlookBodySerializer):
    checks = ListField(child=QuestionSerializer(), min_length=1, max_length=MOST)


class AnswerBody(ExplainedBody):
    """One answer, why, and until when it is certain."""

    user_id: UserId


class AnswersBody(TypedDict):
    data: list[AnswerBody]


class CheckViewSet(ProjectViewSet):
    """May this user do that?"""

    scopes: ClassVar[dict[str, str]] = {
        "retrieve": KeyScope.ENTITLEMENTS_READ,
        "create": KeyScope.ENTITLEMENTS_READ,
    }
    query = {"retrieve": CheckSerializer}
    transactional = True

    @extend_schema(
        operation_id="entitlements_check",
        summary="Check one feature of one user",
        responses=serializer_of(ExplainedBody),
    )
    def retrieve(self, request: Request) -> Response:
        """The decision. An unknown user or feature is a denial with its reason, not an error."""
        said = self.query_values
        question = Question(said["user_id"], said["feature"])
        return Response(self._answers([question], said)[question])

    @extend_schema(
        operation_id="entitlements_check_many",
        summary="Check many features of many users",
        request=QuestionsSerializer,
        responses={200: serializer_of(AnswersBody)},
    )
    def create(self, request: Request) -> Response:
        """Up to 1,000 decisions at once, in the order of the questions."""
        said = self.parse_body(QuestionsSerializer)
        questions = [Question(**each) for each in said["checks"]]
        answers = self._answers(questions, said)
        body: AnswersBody = {
            "data": [{"user_id": question.user_id, **answers[question]} for question in questions]
        }
        return Response(body)

    def _answers(
        self, questions: Sequence[Question], said: Mapping[str, Any]
    ) -> dict[Question, ExplainedBody]:
        project, now = self.calling_project, timezone.now()
        if is_everyday(said):
            ready = checks.answer(project=project, questions=questions, at=now)
            return {question: orjson.loads(answer) for question, answer in ready.items()}
        return checks.decide_in_context(
            project=project,
            questions=questions,
            context=outlook(project, said, now=now),
            explain=said.get("explain", False),
        )


def everyday(request: HttpRequest) -> HttpResponse | None:
    """What :class:`CheckViewSet` answers to a request as everybody writes it, without REST
    framework around it; None for one that needs a closer look."""
    if request.method == "GET":
        question = _question(request.META.get("QUERY_STRING", ""))
        return None if question is None else _ready(_one(request, question))
    if request.META.get("QUERY_STRING") or request.method != "POST":
        return None
    questions = _questions(request)
    return None if questions is None else _ready(_many(request, questions))


class Ready(NamedTuple):
    """An everyday question that needs no closer look, from somebody who may ask it."""

    project: Project
    question: Question
    at: datetime

    def copied(self) -> bytes | None:
        """The answer of which this process has a copy."""
        return cache.find_local(project_id=self.project.pk, question=self.question, at=self.at)

    def answer(self) -> bytes:
        """What :func:`everyday` answers."""
        asked = [self.question]
        return checks.answer(project=self.project, questions=asked, at=self.at)[self.question]


def ready_for(environ: Mapping[str, Any]) -> Ready | None:
    """What the environment of a WSGI ``GET`` asks; None for all that :func:`everyday` has to look
    at: something unusual, a key that this process does not know yet, or one that may not ask."""
    question = _question(environ.get("QUERY_STRING", ""))
    if question is None:
        return None
    now = timezone.now()
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = known(header, scope=KeyScope.ENTITLEMENTS_READ, at=now)
    return None if caller is None else Ready(caller.project, question, now)


def _one(request: HttpRequest, question: Question) -> bytes:
    now = timezone.now()
    caller = require(request, scope=KeyScope.ENTITLEMENTS_READ, at=now)
    return checks.answer(project=caller.project, questions=[question], at=now)[question]


def _many(request: HttpRequest, questions: list[Question]) -> bytes:
    now = timezone.now()
    caller = require(request, scope=KeyScope.ENTITLEMENTS_READ, at=now)
    answers = checks.answer(project=caller.project, questions=questions, at=now)
    return b'{"data":[%b]}' % b",".join(
        [
            b'{"user_id":%b,%b' % (orjson.dumps(each.user_id), answers[each][1:])
            for each in questions
        ]
    )


def _ready(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json")


@lru_cache(maxsize=50_000)
def _question(query: str) -> Question | None:
    """The question of an everyday query string; None for one that needs a closer look."""
    if not query.isascii():
        return None
    try:
        given = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=2)
    except ValueError:
        return None
    if len(given) != 2 or {name for name, _ in given} != {"user_id", "feature"}:
        return None
    asked = dict(given)
    return _plain(asked["user_id"], asked["feature"])


def _questions(request: HttpRequest) -> list[Question] | None:
    """The questions of an everyday body; None for one that needs a closer look.

    Decoding keeps the last of two members with one name, so each name must be written as often as
    it is left; an escape might hide one.
    """
    body = _body(request)
    if body is None or b"\\" in body:
        return None
    try:
        given = orjson.loads(body)
        asked = given["checks"]
        if len(asked) > MOST:
            return None
        questions = [_plain(each["user_id"], each["feature"]) for each in asked if len(each) == 2]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    count = len(questions)
    is_plain = (
        len(given) == body.count(b'"checks"') == 1
        and 0 < count == len(asked)
        and body.count(b'"user_id"') == body.count(b'"feature"') == count
    )
    plain = [each for each in questions if each is not None]
    return plain if is_plain and len(plain) == count else None


def _body(request: HttpRequest) -> bytes | None:
    if request.META.get("CONTENT_TYPE") != "application/json":
        return None
    try:
        body = request.body
    except (RequestDataTooBig, UnreadablePostError):
        return None
    return body if len(body) <= MAX_BODY else None


def _plain(user_id: str, feature: str) -> Question | None:
    if _is_plain(user_id, 255) and _is_plain(feature, 64):
        return Question(user_id, feature)
    return None


def _is_plain(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()
