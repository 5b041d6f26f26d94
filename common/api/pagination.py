"""Cursor pages: ``{"data": […], "next": "…", "has_more": true}``.

The cursor is the id of the last row shown; ids sort by time, newest first. It is only compared,
never looked up: the row may have left the list, and an id of another project reveals nothing.
"""

from typing import Any, NoReturn

from django.db import models
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from common.ids import PublicIdField, is_id

MAX_LIMIT = 100
DEFAULT_LIMIT = 20


def _is_id_of(model: type[models.Model], value: str) -> bool:
    key = model._meta.pk
    return isinstance(key, PublicIdField) and is_id(value, key.prefix)


class CursorPagination(BasePagination):
    """Newest first, by id; ``limit`` ≤ 100, ``cursor`` from the previous page's ``next``."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        limit = self._limit(request)
        if (cursor := request.query_params.get("cursor")) is not None:
            queryset = self.after(queryset, cursor)
        rows = list(self.ordered(queryset)[: limit + 1])
        self.has_more, self.page = len(rows) > limit, rows[:limit]
        return self.page

    def ordered(self, queryset: Any) -> Any:
        """The rows in the order of the list."""
        return queryset.order_by("-pk")

    def after(self, queryset: Any, cursor: str) -> Any:
        """The rows behind this cursor. Raises ValidationError for an invalid cursor."""
        if not _is_id_of(queryset.model, cursor):
            self.refuse()
        return queryset.filter(pk__lt=cursor)

    def cursor_of(self, row: Any) -> str:
        """The cursor of the page that follows this row."""
        return str(row.pk)

    def refuse(self) -> NoReturn:
        """Raise ValidationError for an invalid cursor."""
        raise serializers.ValidationError(
            {"cursor": ["This cursor is not valid. Start again without one."]}
        )

    def _limit(self, request: Request) -> int:
        raw = request.query_params.get("limit", str(DEFAULT_LIMIT))
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 3 and 1 <= int(raw) <= MAX_LIMIT):
            raise serializers.ValidationError({"limit": ["A whole number from 1 to 100."]})
        return int(raw)

    def get_paginated_response(self, data: Any) -> Response:
        next_path = None
        if self.has_more:
            url = self.request.get_full_path()
            next_path = replace_query_param(url, "cursor", self.cursor_of(self.page[-1]))
        return Response({"data": data, "next": next_path, "has_more": self.has_more})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["data", "next", "has_more"],
            "properties": {
                "data": schema,
                "next": {
                    "type": ["string", "null"],
                    "description": "Path and query of the next page.",
                },
                "has_more": {"type": "boolean"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
                "description": "Rows per page (20 when absent).",
            },
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "schema": {"type": "string", "maxLength": 64},
                "description": "The last id of the previous page, from its `next`.",
            },
        ]
