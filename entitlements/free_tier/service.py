"""The free tier: features that every user of a project has, known or not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from common.errors import Invalid
from entitlements.decisions.selectors import free_tier
from entitlements.features import rules_version
from entitlements.features.selectors import features
from entitlements.free_tier import rechecks, representation
from entitlements.models import Feature, FreeTierEntry
from entitlements.resolution import kinds
from entitlements.resolution.kinds import KINDS
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects.models import Project

MAX_FEATURES = 100
"""Features in one free tier."""


def find_features(
    *, project: Project, values: Sequence[tuple[str, Any]]
) -> list[tuple[Feature, Any]]:
    """The features with these codes, with their values. Raises Invalid for a code that is
    unknown, archived or repeated, and for a value that is not of the feature's kind."""
    codes = [code for code, _ in values]
    if len(set(codes)) != len(codes):
        raise Invalid("Name each feature only once.", field="features")
    features_by_code = features.find_many(project=project, codes=codes)
    for index, (code, value) in enumerate(values):
        _check_value(features_by_code.get(code), value, field=f"features/{index}")
    return [(features_by_code[code], value) for code, value in values]


def replace(
    *,
    project: Project,
    features: Sequence[tuple[Feature, Any]],
    actor: str,
    at: datetime,
    reason: str = "",
) -> bool:
    """Replace the project's free tier. Returns whether anything changed.

    Older entries are ended, not deleted. Customers are rechecked in the background and notified
    where a decision changed. Raises Invalid for more than :data:`MAX_FEATURES` features.
    """
    if len(features) > MAX_FEATURES:
        raise Invalid(f"A free tier holds at most {MAX_FEATURES} features.", field="features")
    with transaction.atomic():
        rules_version.lock(project)
        current = list(free_tier.current(project=project))
        before = {row.feature.code: row.value for row in current}
        after = {feature.code: value for feature, value in features}
        if _canonical_values(before) == _canonical_values(after):
            return False
        body_before = representation.free_tier(current)
        ended = [row for row in current if not _is_unchanged(row, after)]
        _end(project, ended, at)
        kept_codes = {row.feature.code for row in current} - {row.feature.code for row in ended}
        FreeTierEntry.objects.for_project(project).bulk_create(
            FreeTierEntry(project_id=project.pk, feature=feature, value=value, starts_at=at)
            for feature, value in features
            if feature.code not in kept_codes
        )
        rules_version.bump(project)
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
        body = representation.free_tier(free_tier.current(project=project))
        outbox.record(
            project_id=project.pk,
            event_type=EventType.FREE_TIER_UPDATED,
            subject=project.pk,
            data=body,
            previous=outbox.previous_values(body_before, body),
            at=at,
        )
    return True


def set_feature(
    *, project: Project, code: str, value: Any, actor: str, at: datetime, reason: str
) -> FreeTierEntry:
    """Add a feature to the free tier or change its value. Raises Invalid, as
    :func:`find_features` and :func:`replace`."""
    with transaction.atomic():
        rules_version.lock(project)
        entries = [*_others(project, code), *find_features(project=project, values=[(code, value)])]
        replace(project=project, features=entries, actor=actor, at=at, reason=reason)
        return free_tier.current(project=project).get(feature__code=code)


def remove_feature(*, project: Project, code: str, actor: str, at: datetime, reason: str) -> bool:
    """Remove a feature from the free tier. Returns whether it was there."""
    with transaction.atomic():
        rules_version.lock(project)
        entries = _others(project, code)
        return replace(project=project, features=entries, actor=actor, at=at, reason=reason)


def _others(project: Project, code: str) -> list[tuple[Feature, Any]]:
    rows = free_tier.current(project=project).exclude(feature__code=code)
    return [(row.feature, row.value) for row in rows]


def _check_value(feature: Feature | None, value: Any, *, field: str) -> None:
    if feature is None or feature.archived_at is not None:
        detail = "No such feature. Define it with POST /features first."
        raise Invalid(detail, field=f"{field}/feature")
    if not KINDS[feature.kind].accepts(value):
        raise Invalid(f"{feature.code}: {KINDS[feature.kind].rule}", field=f"{field}/value")


def _is_unchanged(row: FreeTierEntry, after: Mapping[str, Any]) -> bool:
    code = row.feature.code
    return code in after and kinds.canonical_json(after[code]) == kinds.canonical_json(row.value)


def _end(project: Project, rows: Sequence[FreeTierEntry], at: datetime) -> None:
    ids = [row.pk for row in rows]
    FreeTierEntry.objects.for_project(project).filter(pk__in=ids).update(ends_at=at)


def _canonical_values(features: Mapping[str, Any]) -> dict[str, str]:
    """Values as canonical JSON by feature code: true is not 1."""
    return {code: kinds.canonical_json(value) for code, value in features.items()}
