"""Grants made by hand; ``lock`` before ending one, after the customer's lock."""

from datetime import datetime

from django.db.models import QuerySet

from common.errors import NotFound
from entitlements.models import Grant
from projects.models import Project


def get(*, project: Project | str, grant_id: str) -> Grant:
    """The project's grant with its customer; raises NotFound."""
    rows = Grant.objects.for_project(project).select_related("customer")
    grant = rows.filter(pk=grant_id).first()
    if grant is None:
        raise NotFound("No grant with this id. GET /admin/grants lists them.")
    return grant


def listing(*, project: Project | str, user_id: str | None = None) -> QuerySet[Grant]:
    """The project's grants with their customers, or those of one user."""
    rows = Grant.objects.for_project(project).select_related("customer")
    return rows if user_id is None else rows.filter(customer__user_id=user_id)


def lock(*, project_id: str, grant_id: str) -> Grant:
    """The grant's row, locked until the transaction ends."""
    return Grant.objects.for_project(project_id).select_for_update().get(pk=grant_id)


def due_to_expire(*, at: datetime, limit: int) -> list[Grant]:
    """Grants of any project whose expiry has passed and was not written down, oldest first."""
    rows = Grant.objects.across_projects().filter(
        expires_at__lte=at, expired_at__isnull=True, revoked_at__isnull=True
    )
    return list(rows.order_by("expires_at")[:limit])
