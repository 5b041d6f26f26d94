"""``/entitlements/check``: the hottest path of the service.

An everyday GET goes around REST framework: the same key, scope, answer and refusals, without its
cost. Anything unusual about the request, and the POST for many, takes the ordinary way; so there
is one set of rules, and the schema describes this resource like any other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import problems
from common.api.serializers import StrictSerializer, UserIdField
from common.api.views import ProjectViewSet
from common.errors import DomainError
from entitlements.api.outlook import (
    OutlookBodySerializer,
    OutlookQuerySerializer,
    is_everyday,
    outlook,
)
from entitlements.api.serializers import ExplainedSerializer
from entitlements.resolution import Question
from entitlements.services import checks
from projects.api.authentication import require
from projects.scopes import Scope

MOST = 1000
"""How many questions one call may ask."""


class QuestionSerializer(StrictSerializer):
    user_id = UserIdField()
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")


class CheckSerializer(QuestionSerializer, OutlookQuerySerializer):
    """One question, from an outlook."""


class QuestionsSerializer(OutlookBodySerializer):
    checks = serializers.ListField(child=QuestionSerializer(), min_length=1, max_length=MOST)


class AnswerSerializer(ExplainedSerializer):
    user_id = UserIdField()


class AnswersSerializer(serializers.Serializer[Any]):
    data = AnswerSerializer(many=True)  # type: ignore[assignment]  # the API's name for a list


class CheckViewSet(ProjectViewSet):
    """May this user do that?"""

    scopes: ClassVar[dict[str, str]] = {
        "retrieve": Scope.ENTITLEMENTS_READ,
        "create": Scope.ENTITLEMENTS_READ,
    }
    query = {"retrieve": CheckSerializer}
    transactional = True

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        question = _plain_question(request) if request.method == "GET" else None
        if question is None:
            return super().dispatch(request, *args, **kwargs)
        try:
            return self._answer(request, question)
        except (APIException, DomainError) as refusal:
            return problems.plain(refusal)

    def _answer(self, request: HttpRequest, question: Question) -> HttpResponse:
        """What :meth:`retrieve` answers, without REST framework around it."""
        now = timezone.now()
        caller = require(request, scope=self.scopes["retrieve"], at=now)
        answers = checks.answer(project=caller.project, questions=[question], at=now)
        return HttpResponse(orjson.dumps(answers[question]), content_type="application/json")

    @extend_schema(
        operation_id="entitlements_check",
        summary="Check one feature of one user",
        responses=ExplainedSerializer,
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
        responses={200: AnswersSerializer},
    )
    def create(self, request: Request) -> Response:
        """Up to 1,000 decisions at once, in the order of the questions."""
        said = self.parse_body(QuestionsSerializer)
        questions = [Question(**each) for each in said["checks"]]
        answers = self._answers(questions, said)
        return Response(
            {"data": [{"user_id": each.user_id, **answers[each]} for each in questions]}
        )

    def _answers(
        self, questions: Sequence[Question], said: Mapping[str, Any]
    ) -> dict[Question, dict[str, Any]]:
        project, now = self.calling_project, timezone.now()
        if is_everyday(said):
            return checks.answer(project=project, questions=questions, at=now)
        return checks.foresee(
            project=project,
            questions=questions,
            outlook=outlook(project, said, now=now),
            explain=said.get("explain", False),
        )


def _plain_question(request: HttpRequest) -> Question | None:
    """The question of an everyday request; None for one that needs a closer look."""
    given = dict(request.GET.lists())
    if given.keys() != {"user_id", "feature"} or any(len(values) > 1 for values in given.values()):
        return None
    user_id, feature = str(given["user_id"][0]), str(given["feature"][0])
    if _is_plain(user_id, 255) and _is_plain(feature, 64):
        return Question(user_id, feature)
    return None


def _is_plain(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()
