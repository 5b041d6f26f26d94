"""Addresses and rows of the tests of API keys."""

from datetime import UTC, datetime

from projects.models import ApiKey, Project

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
KEYS_ONLY = ["keys:read", "keys:write"]


def newest(project: Project) -> ApiKey:
    return ApiKey.objects.for_project(project).latest("id")
