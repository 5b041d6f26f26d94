"""Signed links to a project's page of webhooks.

The token stands in the link's fragment, which browsers send to nobody: not to us, and not in a
``Referer``. The page hands it over in a POST and gets a cookie for it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import F

from common import ids
from delivery.models import WebhookPortal
from events.audit import audit_trail as audit
from projects.keys.selectors import projects
from projects.models import Project

PATH = "/webhooks-portal/"
OPEN_PATH = f"{PATH}open"
MAX_HOURS = 24
_SALT = "tollgate.webhooks.portal"
_MAX_LENGTH = 400


@dataclass(frozen=True, slots=True)
class PortalLink:
    """What a link lets its holder do. ``link_id`` names it in the audit trail."""

    project_id: str
    generation: int
    can_act: bool
    expires_at: datetime
    link_id: str

    @property
    def actor(self) -> str:
        return f"webhook_portal:{self.link_id}"

    @property
    def token(self) -> str:
        expires = int(self.expires_at.timestamp())
        values = [self.project_id, self.generation, self.can_act, expires, self.link_id]
        return Signer(salt=_SALT).sign_object(values)

    @property
    def url(self) -> str:
        return f"{settings.PUBLIC_URL}{OPEN_PATH}#{self.token}"


def create(
    *, project: Project, can_act: bool, hours: int, actor: str, at: datetime, reason: str = ""
) -> PortalLink:
    """A new link, which is stored nowhere. Audited."""
    expires_at = (at + timedelta(hours=min(hours, MAX_HOURS))).replace(microsecond=0)
    with transaction.atomic():
        generation = _generation(project.pk)
        link = PortalLink(project.pk, generation, can_act, expires_at, ids.new_id("wpl"))
        audit.record(
            actor=actor,
            action="webhook_portal.link_created",
            subject=project.pk,
            project_id=project.pk,
            reason=reason,
            after={"link": link.link_id, "can_act": can_act, "expires_at": expires_at.isoformat()},
            at=at,
        )
    return link


def revoke_all(*, project: Project, actor: str, at: datetime, reason: str = "") -> WebhookPortal:
    """No link of the project that exists now works any longer. Audited."""
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        rows = WebhookPortal.objects.for_project(project)
        if not rows.update(generation=F("generation") + 1, revoked_at=at):
            rows.create(generation=1, revoked_at=at)
        row = rows.get()
        audit.record(
            actor=actor,
            action="webhook_portal.links_revoked",
            subject=project.pk,
            project_id=project.pk,
            reason=reason,
            after={"generation": row.generation},
            at=at,
        )
    return row


def parse(token: str, *, at: datetime) -> PortalLink | None:
    """The link, and None for one that is not ours, has expired or was revoked, or whose project is
    suspended: nobody learns which."""
    link = _unsign(token)
    if link is None or link.expires_at <= at:
        return None
    if _generation(link.project_id) != link.generation:
        return None
    is_open = Project.objects.filter(pk=link.project_id, suspended_at__isnull=True).exists()
    return link if is_open else None


def _unsign(token: str) -> PortalLink | None:
    if len(token) > _MAX_LENGTH:
        return None
    try:
        values = Signer(salt=_SALT).unsign_object(token)
    except (BadSignature, ValueError):
        return None
    project_id, generation, can_act, expires, link_id = values
    expires_at = datetime.fromtimestamp(expires, tz=UTC)
    return PortalLink(project_id, generation, can_act, expires_at, link_id)


def _generation(project_id: str) -> int:
    rows = WebhookPortal.objects.for_project(project_id).values_list("generation", flat=True)
    return rows.first() or 0
