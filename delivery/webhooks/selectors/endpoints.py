"""Endpoints of a project."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Prefetch, Q

from common.errors import NotFound
from common.models import ProjectQuerySet
from delivery.models import WebhookEndpoint, WebhookSecret
from delivery.models.webhook_endpoint import DisabledReason, EndpointState
from projects.models import Project


def of(project: Project | str) -> ProjectQuerySet[WebhookEndpoint]:
    """The project's endpoints, with their secrets."""
    rows = WebhookEndpoint.objects.for_project(project).filter(deleted_at__isnull=True)
    return rows.prefetch_related(Prefetch("secrets", WebhookSecret.objects.for_project(project)))


def get(*, project: Project | str, endpoint_id: str) -> WebhookEndpoint:
    """One endpoint of the project. Raises NotFound."""
    row = of(project).filter(pk=endpoint_id).first()
    if row is None:
        raise NotFound
    return row


def lock(*, project_id: str, endpoint_id: str) -> WebhookEndpoint | None:
    """The endpoint, locked until the transaction ends; None if the project has none with this
    id.

    It is locked before its replays and deliveries. New deliveries, which refer to it, do not wait
    for this lock.
    """
    rows = WebhookEndpoint.objects.for_project(project_id).filter(deleted_at__isnull=True)
    return rows.select_for_update(no_key=True).filter(pk=endpoint_id).first()


def live_secrets(endpoint_ids: list[str], *, at: datetime) -> dict[str, list[WebhookSecret]]:
    """The secrets of these endpoints that sign now, newest first, by endpoint."""
    rows = WebhookSecret.objects.across_projects().filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=at), endpoint_id__in=endpoint_ids
    )
    secrets: dict[str, list[WebhookSecret]] = {}
    for row in rows.order_by("-created_at", "-pk"):
        secrets.setdefault(_key(row), []).append(row)
    return secrets


def _key(row: Any) -> str:
    return str(row.endpoint_id)


def count_by_condition() -> dict[str, int]:
    """Number of endpoints of all projects: ``working``, ``failing`` or ``disabled`` because of
    failures; one query."""
    rows = WebhookEndpoint.objects.across_projects().filter(deleted_at__isnull=True)
    is_enabled = Q(state=EndpointState.ENABLED)
    is_failing = Q(failing_since__isnull=False)
    by_hand = Q(disabled_reason=DisabledReason.MANUAL)
    return rows.aggregate(
        working=Count("pk", filter=is_enabled & ~is_failing),
        failing=Count("pk", filter=is_enabled & is_failing),
        disabled=Count("pk", filter=~is_enabled & ~by_hand),
    )
