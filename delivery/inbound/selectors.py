"""Reads of inbound settings, secrets and users."""

import hashlib
from datetime import datetime

from django.db.models import QuerySet

from common import inserts
from common.errors import NotFound
from delivery.models import InboundSecret, InboundSettings, InboundUser
from projects.models import Customer, Project


def settings_of(project_id: str) -> InboundSettings:
    """The project's settings; a project that has chosen nothing follows no stream."""
    row = InboundSettings.objects.for_project(project_id).first()
    return row or InboundSettings(project_id=project_id)


def lock_settings(project_id: str) -> InboundSettings:
    """The same, locked if they are stored. The caller holds the project's lock."""
    row = InboundSettings.objects.for_project(project_id).select_for_update().first()
    return row or InboundSettings(project_id=project_id)


def secrets_of(project_id: str) -> QuerySet[InboundSecret]:
    """The project's stored secrets, the newest first."""
    return InboundSecret.objects.for_project(project_id).order_by("-created_at", "-pk")


def live_secrets(project_id: str, *, at: datetime) -> list[InboundSecret]:
    """The secrets that verify a signature now, the newest first: at most two."""
    return [row for row in secrets_of(project_id) if row.is_live(at)]


def secret(*, project: Project, secret_id: str) -> InboundSecret:
    """A live or expired secret of the project. Raises NotFound."""
    row = InboundSecret.objects.for_project(project).filter(pk=secret_id).first()
    if row is None:
        raise NotFound("No secret with this id. GET /projects/{project_id}/inbound lists them.")
    return row


def digest_of(*, project_id: str, user_id: str) -> str:
    """A pseudonym of a user that is another one in each project."""
    return hashlib.sha256(f"{project_id}:{user_id}".encode()).hexdigest()


def lock_user(*, project_id: str, user_id: str, at: datetime) -> InboundUser:
    """What was heard of this user, locked; created if it is nothing yet. Taken before the
    customer's lock."""
    digest = digest_of(project_id=project_id, user_id=user_id)
    inserts.insert(InboundUser(project_id=project_id, digest=digest, changed_at=at))
    rows = InboundUser.objects.for_project(project_id).select_for_update(of=("self",))
    return rows.select_related("customer").get(digest=digest)


def customer_of(*, project_id: str, user_id: str) -> Customer | None:
    """The customer with exactly this ``user_id``."""
    return Customer.objects.for_project(project_id).filter(user_id=user_id).first()
