"""``/entitlements/check``: may this user do that?

The fast path (:mod:`entitlements.decisions.api.fast_path`) answers most of these requests; the
rules and the schema are here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict

import orjson
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import ListField, StrictSerializer, UserIdField
from common.bodies import UserId
from entitlements.decisions import checks
from entitlements.decisions.api.context_parameters import (
    OutlookBodySerializer,
    OutlookQuerySerializer,
    evaluation_context,
    is_plain,
)
from entitlements.representation import ExplainedBody
from entitlements.resolution.decision import Question
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

MAX_QUESTIONS = 1000
"""The most checks in one request."""


class QuestionSerializer(StrictSerializer):
    user_id = UserIdField()
    feature = serializers.CharField(max_length=64, help_text="The feature's code.")


class CheckSerializer(QuestionSerializer, OutlookQuerySerializer):
    """One check, with the time and assumptions to evaluate it with."""


class QuestionsSerializer(OutlookBodySerializer):
    checks = ListField(child=QuestionSerializer(), min_length=1, max_length=MAX_QUESTIONS)


class CheckResultBody(ExplainedBody):
    """The decision about one feature of one user."""

    user_id: UserId


class CheckResultsBody(TypedDict):
    data: list[CheckResultBody]


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
        """Returns a decision. An unknown user or feature is not an error: the decision is a denial
        with a `reason`."""
        parameters = self.query_values
        question = Question(parameters["user_id"], parameters["feature"])
        return Response(self._answers([question], parameters)[question])

    @extend_schema(
        operation_id="entitlements_check_many",
        summary="Check many features of many users",
        request=QuestionsSerializer,
        responses={200: serializer_of(CheckResultsBody)},
    )
    def create(self, request: Request) -> Response:
        """Returns up to 1,000 decisions, in the order of `checks`."""
        parameters = self.parse_body(QuestionsSerializer)
        questions = [Question(**each) for each in parameters["checks"]]
        answers = self._answers(questions, parameters)
        body: CheckResultsBody = {
            "data": [{"user_id": question.user_id, **answers[question]} for question in questions]
        }
        return Response(body)

    def _answers(
        self, questions: Sequence[Question], parameters: Mapping[str, Any]
    ) -> dict[Question, ExplainedBody]:
        project, now = self.calling_project, timezone.now()
        if is_plain(parameters):
            ready = checks.decision_bodies(project=project, questions=questions, at=now)
            return {question: orjson.loads(answer) for question, answer in ready.items()}
        return checks.decide_in_context(
            project=project,
            questions=questions,
            context=evaluation_context(project, parameters, now=now),
            explain=parameters.get("explain", False),
        )
