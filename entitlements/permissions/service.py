"""Replace a project's permission map, and announce what follows from it for each user."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from common.errors import Invalid
from entitlements.facts.permission_notices import PermissionNames
from entitlements.features import rules_version
from entitlements.features.selectors import features
from entitlements.free_tier import rechecks
from entitlements.permissions import selectors
from events.audit import audit_trail as audit
from projects.keys.selectors import projects
from projects.models import Project

MAX_FEATURES = 200
MAX_PERMISSIONS = 20
"""Of one feature."""
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.:/\-]{0,62}[A-Za-z0-9])?"
"""Of a permission: 1 to 64 characters. No space, so that lists of them can be written with it."""


def replace(
    *,
    project: Project,
    names: Mapping[str, Sequence[str]],
    actor: str,
    at: datetime,
    reason: str = "",
) -> PermissionNames:
    """Replace the project's permission map, by feature code. Audited.

    Users are rechecked in the background; those whose permissions differ from their last event get
    a new one. Raises Invalid for a feature that does not exist and for a name that is none.
    """
    after = _check(project, names)
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        row = selectors.lock(project)
        before = row.permissions
        if before == after:
            return after
        row.permissions = after
        row.save()
        rules_version.bump(project)
        rechecks.start(project=project, at=at)
        audit.record(
            actor=actor,
            action="project.set_permission_map",
            subject=project.pk,
            project_id=project.pk,
            reason=reason,
            before=before,
            after=after,
            at=at,
        )
    return after


def _check(project: Project, names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The map in the form in which it is stored, without features that stand for nothing."""
    if len(names) > MAX_FEATURES:
        raise Invalid(f"A map holds at most {MAX_FEATURES} features.", field="features")
    existing = features.find_many(project=project, codes=list(names))
    for index, (code, permissions) in enumerate(names.items()):
        field = f"features/{index}"
        if code not in existing:
            detail = "No such feature. Define it with POST /features first."
            raise Invalid(detail, field=f"{field}/feature")
        if len(permissions) > MAX_PERMISSIONS:
            detail = f"A feature stands for at most {MAX_PERMISSIONS} permissions."
            raise Invalid(detail, field=f"{field}/permissions")
        if not all(re.fullmatch(NAME, permission) for permission in permissions):
            detail = "A permission is named by 1 to 64 letters, digits and _ . : / -"
            raise Invalid(detail, field=f"{field}/permissions")
    return {code: sorted(set(names[code])) for code in sorted(names) if names[code]}
