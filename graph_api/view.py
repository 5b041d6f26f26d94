"""``POST /graphql``: one query per request, for keys of a project or of an app."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.api.parsers import BodyTooLarge, StrictJSONParser
from common.api.serializers import StrictSerializer
from graph_api import errors  # noqa: F401  # for the page of errors
from projects.keys.credentials import ProjectCredential

MAX_BODY_BYTES = 64 * 1024
MAX_QUERY_CHARACTERS = 16 * 1024
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"


class GraphParser(StrictJSONParser):
    """Strict JSON of at most 64 KiB."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge("A GraphQL request may have at most 64 KiB.")
        return super().parse(BytesIO(body), media_type, parser_context)


class IsProjectKey(BasePermission):
    """Allow keys of projects and apps. The scopes are those of the fields."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            return False
        if not isinstance(request.auth, ProjectCredential):
            raise PermissionDenied("Queries need a key of a project.")
        return True


class GraphQLRequestSerializer(StrictSerializer):
    """A request of the GraphQL-over-HTTP specification. ``extensions`` are accepted and ignored."""

    query = serializers.CharField(max_length=MAX_QUERY_CHARACTERS, trim_whitespace=False)
    variables = serializers.DictField(required=False, allow_null=True)
    operationName = serializers.CharField(required=False, allow_null=True, max_length=200)  # noqa: N815
    extensions = serializers.DictField(required=False, allow_null=True)


class GraphQLView(APIView):
    """Answer a query. Malformed requests and refused keys get problem documents, as in REST."""

    parser_classes = (GraphParser,)
    permission_classes = (IsProjectKey,)

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        serializer = GraphQLRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        # GraphQL's libraries and our schema take a third of the time of a start: `config.rsgi`
        # loads them when the web server already answers.
        from graph_api.answers import answer_query  # noqa: PLC0415
        from graph_api.request import QueryRequest  # noqa: PLC0415

        assert isinstance(request.auth, ProjectCredential)
        body = answer_query(
            query=values["query"],
            variables=values.get("variables"),
            request=QueryRequest(
                caller=request.auth,
                at=timezone.now(),
                operation_name=values.get("operationName"),
            ),
        )
        return _response(request, body)

    @extend_schema(exclude=True)
    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """The allowed methods, in the ``Allow`` header."""
        return Response(status=204)


def _response(request: Request, body: dict[str, Any]) -> Response:
    """The status and media type of the specification: a query that was not executed is a 400, but
    for callers that accept only ``application/json`` a 200."""
    media_type = request.get_preferred_type([JSON, GRAPHQL_JSON]) or JSON
    status = 400 if media_type == GRAPHQL_JSON and "data" not in body else 200
    return Response(body, status=status, content_type=media_type)
