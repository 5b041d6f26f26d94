"""``/entitlements/check``: the hottest path of the service.

A GET goes around REST framework: the same key, scope and error documents, at a fraction of the
cost (``docs/decisions/0011-check-is-a-plain-view.md``). The class stays a viewset so that the
schema and the route tests see it like any other; the POST for many runs under REST framework.
"""

from typing import Any, ClassVar

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
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
from entitlements.api.serializers import DecisionSerializer
from entitlements.resolution import Question
from entitlements.services import checks
from projects.api.authentication import require
from projects.scopes import Scope

MOST = 100
"""How many questions one call may ask."""


class QuestionSerializer(StrictSerializer):
    user_id = UserIdField()
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")


class QuestionsSerializer(StrictSerializer):
    checks = QuestionSerializer(many=True, min_length=1, max_length=MOST)


class AnswerSerializer(DecisionSerializer):
    user_id = UserIdField()


class AnswersSerializer(serializers.Serializer[Any]):
    data = AnswerSerializer(many=True, help_text="In the order of the questions.")


class CheckViewSet(ProjectViewSet):
    """May this user do that?"""

    scopes: ClassVar[dict[str, str]] = {
        "retrieve": Scope.ENTITLEMENTS_READ,
        "create": Scope.ENTITLEMENTS_READ,
    }
    query = {"retrieve": QuestionSerializer}

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return super().dispatch(request, *args, **kwargs)
        try:
            return self.retrieve(request)
        except (APIException, DomainError) as refusal:
            return problems.plain(refusal)

    @extend_schema(
        operation_id="entitlements_check",
        summary="Check one feature of one user",
        responses=DecisionSerializer,
    )
    def retrieve(self, request: HttpRequest) -> HttpResponse:
        """The decision. An unknown user or feature is a denial with its reason, not an error."""
        now = timezone.now()
        caller = require(request, scope=self.scopes["retrieve"], at=now)
        question = _question(request.GET)
        decision = checks.answer(project=caller.project, questions=[question], at=now)[question]
        return HttpResponse(orjson.dumps(decision), content_type="application/json")

    @extend_schema(
        operation_id="entitlements_check_many",
        summary="Check many features of many users",
        request=QuestionsSerializer,
        responses=AnswersSerializer,
    )
    def create(self, request: Request) -> Response:
        """Up to 100 decisions at once, in the order of the questions."""
        asked = self.parse_body(QuestionsSerializer)["checks"]
        questions = [Question(each["user_id"], each["feature"]) for each in asked]
        answers = checks.answer(
            project=self.calling_project, questions=questions, at=timezone.now()
        )
        return Response(
            {"data": [{"user_id": each.user_id, **answers[each]} for each in questions]}
        )


def _question(query: QueryDict) -> Question:
    """The two parameters; whatever looks odd goes through the serializer, which says why."""
    given = query.dict()
    user_id, feature = given.get("user_id", ""), given.get("feature", "")
    if len(given) == 2 and _is_plain(user_id, 255) and _is_plain(feature, 64):
        return Question(user_id, feature)
    parsed = QuestionSerializer(data=given)
    parsed.is_valid(raise_exception=True)
    return Question(**parsed.validated_data)


def _is_plain(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()
