"""The secrets with which a project's auth service signs: issued by us, shown once, two at most."""

from datetime import datetime, timedelta

from django.db import transaction

from common import crypto, standard_webhooks
from delivery.inbound import selectors
from delivery.models import InboundSecret
from events.audit import audit_trail as audit
from projects.keys.selectors import projects
from projects.models import Project

DEFAULT_OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=7)


def rotate(
    *,
    project: Project,
    actor: str,
    at: datetime,
    overlap: timedelta = DEFAULT_OVERLAP,
    reason: str = "",
) -> tuple[InboundSecret, str]:
    """A new secret, also the project's first, and its text, which is not shown again. Audited.

    The one before still works for ``overlap``; older ones end now.
    """
    text = standard_webhooks.make_secret()
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        live = selectors.live_secrets(project.pk, at=at)
        kept = [row.pk for row in live[:1] if overlap]
        selectors.secrets_of(project.pk).exclude(pk__in=kept).delete()
        for newest in live[: len(kept)]:
            newest.expires_at = min(newest.expires_at or at + overlap, at + overlap)
            newest.save(update_fields=["expires_at"])
        row = InboundSecret(project=project, created_at=at)
        row.secret = crypto.encrypt(text, context=row.secret_context)
        row.save(force_insert=True)
        audit.record(
            actor=actor,
            action="inbound.rotate_secret",
            subject=project.pk,
            project_id=project.pk,
            reason=reason,
            before={"secrets": [each.pk for each in live]},
            after={"secrets": [row.pk, *kept]},
            at=at,
        )
    return row, text


def revoke(*, secret: InboundSecret, actor: str, at: datetime, reason: str = "") -> None:
    """From now on nothing that is signed with this secret is accepted. Audited."""
    with transaction.atomic():
        projects.lock(project_id=secret.project_id)
        secret_id = secret.pk
        rows = InboundSecret.objects.for_project(secret.project_id).filter(pk=secret_id)
        if rows.delete()[0]:
            audit.record(
                actor=actor,
                action="inbound.revoke_secret",
                subject=secret.project_id,
                project_id=secret.project_id,
                reason=reason,
                before={"secrets": [secret_id]},
                at=at,
            )
