"""Change how a project hears of its users."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from delivery.inbound import selectors
from delivery.models import InboundSettings
from events.audit import audit_trail as audit
from projects.keys.selectors import projects
from projects.models import Project

FIELDS = ("follows_stream", "cancels_subscriptions")


def configure(
    *, project: Project, changes: Mapping[str, bool], actor: str, at: datetime, reason: str = ""
) -> InboundSettings:
    """Change these settings, and store the others as they are. Audited."""
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        row = selectors.lock_settings(project.pk)
        before = {name: getattr(row, name) for name in FIELDS}
        differing = [name for name in FIELDS if changes.get(name, before[name]) != before[name]]
        for name in differing:
            setattr(row, name, changes[name])
        if differing or row._state.adding:
            row.save()
        if differing:
            audit.record(
                actor=actor,
                action="project.inbound",
                subject=project.pk,
                project_id=project.pk,
                reason=reason,
                before={name: before[name] for name in differing},
                after={name: changes[name] for name in differing},
                at=at,
            )
    return row
