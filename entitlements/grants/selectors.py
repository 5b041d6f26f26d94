"""Grants made by hand; ``lock`` before ending one, after the customer's lock."""

from datetime import datetime

from django.db.models import Q, QuerySet

from common import fair_queue
from common.errors import NotFound
from common.fair_queue import RetryRule
from entitlements.models import Grant
from entitlements.models.grant import GrantStatus
from projects.customers import selectors as customers
from projects.models import Project


def get(*, project: Project | str, grant_id: str) -> Grant:
    """The project's grant with its customer; raises NotFound."""
    rows = Grant.objects.for_project(project).select_related("customer")
    grant = rows.filter(pk=grant_id).first()
    if grant is None:
        raise NotFound("No grant with this id. GET /admin/grants lists them.")
    return grant


def listing(
    *,
    project: Project | str,
    at: datetime,
    user_id: str | None = None,
    status: GrantStatus | None = None,
) -> QuerySet[Grant]:
    """The project's grants with their customers: of one user, or with one status at ``at``."""
    rows = Grant.objects.for_project(project).select_related("customer")
    if user_id is not None:
        rows = rows.filter(customer=customers.find(project=project, user_id=user_id))
    return rows if status is None else rows.filter(_has_status(status, at))


def _has_status(status: GrantStatus, at: datetime) -> Q:
    """The status of :meth:`Grant.status`, as a condition in SQL."""
    has_started, has_ended = Q(starts_at__lte=at), Q(expires_at__isnull=False, expires_at__lte=at)
    is_not_revoked = Q(revoked_at__isnull=True)
    return {
        GrantStatus.REVOKED: ~is_not_revoked,
        GrantStatus.SCHEDULED: is_not_revoked & ~has_started,
        GrantStatus.EXPIRED: is_not_revoked & has_started & has_ended,
        GrantStatus.ACTIVE: is_not_revoked & has_started & ~has_ended,
    }[status]


def lock(*, project_id: str, grant_id: str) -> Grant:
    """The grant's row, locked until the transaction ends."""
    return Grant.objects.for_project(project_id).select_for_update().get(pk=grant_id)


def due_to_expire(*, at: datetime, limit: int, rule: RetryRule) -> list[Grant]:
    """Grants whose expiry has passed and is not recorded: projects take turns, oldest first,
    without those that wait for a retry by ``rule``."""
    rows = Grant.objects.across_projects().filter(
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="pk"),
        expires_at__lte=at,
        expired_at__isnull=True,
        revoked_at__isnull=True,
    )
    return fair_queue.round_robin(rows, owner="project_id", order=("expires_at", "pk"), limit=limit)
