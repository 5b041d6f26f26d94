"""Conformance checks of endpoints."""

from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Now

from common.errors import NotFound
from common.models import ProjectQuerySet
from delivery.models import CheckState, WebhookCheck, WebhookEndpoint
from projects.models import Project


def of(*, project: Project | str, endpoint_id: str) -> ProjectQuerySet[WebhookCheck]:
    """The checks of an endpoint of the project."""
    return WebhookCheck.objects.for_project(project).filter(endpoint_id=endpoint_id)


def get(*, project: Project | str, endpoint_id: str, check_id: str) -> WebhookCheck:
    """One check. Raises NotFound."""
    row = of(project=project, endpoint_id=endpoint_id).filter(pk=check_id).first()
    if row is None:
        raise NotFound
    return row


def newest(endpoint: WebhookEndpoint) -> WebhookCheck | None:
    """The last check that was requested; None without one."""
    rows = of(project=endpoint.project_id, endpoint_id=endpoint.pk)
    return rows.order_by("-pk").first()


def is_busy(endpoint: WebhookEndpoint, *, since: datetime) -> bool:
    """Whether a check of the endpoint is under way, or was asked for since then."""
    rows = of(project=endpoint.project_id, endpoint_id=endpoint.pk)
    return rows.filter(~Q(state=CheckState.COMPLETED) | Q(created_at__gt=since)).exists()


def lock_open(limit: int) -> list[WebhookCheck]:
    """Checks that nobody makes, locked: planned ones, and those whose process has died."""
    rows = WebhookCheck.objects.across_projects().filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=Now())
    )
    rows = rows.exclude(state=CheckState.COMPLETED).select_for_update(skip_locked=True)
    return list(rows.order_by("created_at")[:limit])
