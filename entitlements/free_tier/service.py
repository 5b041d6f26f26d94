"""What everybody in a project has, whether we know them or not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from common.errors import Invalid
from entitlements.decisions.selectors import free_tier
from entitlements.features import rules
from entitlements.features.selectors import features
from entitlements.free_tier import rechecks
from entitlements.models import Feature, FreeTierEntry
from entitlements.resolution import kinds
from entitlements.resolution.kinds import KINDS
from events.services import audit
from projects.models import Project

MOST = 100
"""Features that a free tier holds at most."""


def chosen(*, project: Project, wanted: Sequence[tuple[str, Any]]) -> list[tuple[Feature, Any]]:
    """The features behind these codes with their values. Raises Invalid for one that is unknown,
    archived or named twice, or a value that is not of its kind."""
    codes = [code for code, _ in wanted]
    if len(set(codes)) != len(codes):
        raise Invalid("A feature may be named once.", field="features")
    known = features.find_many(project=project, codes=codes)
    for index, (code, value) in enumerate(wanted):
        _check(known.get(code), value, field=f"features/{index}")
    return [(known[code], value) for code, value in wanted]


def replace(
    *,
    project: Project,
    wanted: Sequence[tuple[Feature, Any]],
    actor: str,
    at: datetime,
    reason: str = "",
) -> bool:
    """Make exactly this what everybody has from now on; whether that changed anything.

    What it was stays known. Customers are told where an answer of theirs changed. Raises Invalid
    for more than :data:`MOST` features.
    """
    if len(wanted) > MOST:
        raise Invalid(f"A free tier holds at most {MOST} features.", field="features")
    with transaction.atomic():
        rules.lock(project)
        current = list(free_tier.current(project=project))
        before = {row.feature.code: row.value for row in current}
        after = {feature.code: value for feature, value in wanted}
        if _identity(before) == _identity(after):
            return False
        stale = [row for row in current if not _is_in(row, after)]
        _end(project, stale, at)
        kept = {row.feature.code for row in current} - {row.feature.code for row in stale}
        FreeTierEntry.objects.for_project(project).bulk_create(
            FreeTierEntry(project_id=project.pk, feature=feature, value=value, starts_at=at)
            for feature, value in wanted
            if feature.code not in kept
        )
        rules.bump(project)
        rechecks.start(project=project, at=at)
        audit.record(
            actor=actor,
            action="project.set_free_tier",
            subject=project.pk,
            project_id=project.pk,
            at=at,
            reason=reason,
            before=before,
            after=after,
        )
    return True


def put(
    *, project: Project, code: str, value: Any, actor: str, at: datetime, reason: str
) -> FreeTierEntry:
    """Let everybody have this, beside what everybody has. Raises Invalid, as :func:`chosen`
    and :func:`replace`."""
    with transaction.atomic():
        rules.lock(project)
        wanted = [*_others(project, code), *chosen(project=project, wanted=[(code, value)])]
        replace(project=project, wanted=wanted, actor=actor, at=at, reason=reason)
        return free_tier.current(project=project).get(feature__code=code)


def take(*, project: Project, code: str, actor: str, at: datetime, reason: str) -> bool:
    """Let everybody have all but this from now on; whether they had it."""
    with transaction.atomic():
        rules.lock(project)
        wanted = _others(project, code)
        return replace(project=project, wanted=wanted, actor=actor, at=at, reason=reason)


def _others(project: Project, code: str) -> list[tuple[Feature, Any]]:
    rows = free_tier.current(project=project).exclude(feature__code=code)
    return [(row.feature, row.value) for row in rows]


def _check(feature: Feature | None, value: Any, *, field: str) -> None:
    if feature is None or feature.archived_at is not None:
        detail = "No such feature. Define it with POST /features first."
        raise Invalid(detail, field=f"{field}/feature")
    if not KINDS[feature.kind].accepts(value):
        raise Invalid(f"{feature.code}: {KINDS[feature.kind].rule}", field=f"{field}/value")


def _is_in(row: FreeTierEntry, after: Mapping[str, Any]) -> bool:
    code = row.feature.code
    return code in after and kinds.text(after[code]) == kinds.text(row.value)


def _end(project: Project, stale: Sequence[FreeTierEntry], at: datetime) -> None:
    ids = [row.pk for row in stale]
    FreeTierEntry.objects.for_project(project).filter(pk__in=ids).update(ends_at=at)


def _identity(features: Mapping[str, Any]) -> dict[str, str]:
    """True is not 1 here."""
    return {code: kinds.text(value) for code, value in features.items()}
