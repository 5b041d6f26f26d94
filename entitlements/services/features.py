"""Define what a project's users may or may not do."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from entitlements import representation
from entitlements.errors import FeatureExists
from entitlements.models import Feature
from entitlements.selectors import features
from events.services import audit
from projects.models import Project


def create(
    *,
    project: Project,
    code: str,
    name: str,
    kind: str,
    actor: str,
    at: datetime,
    unit: str = "",
    reason: str = "",
) -> Feature:
    """A new feature; its code and kind never change. Raises FeatureExists."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                feature = Feature.objects.for_project(project).create(
                    code=code, name=name, kind=kind, unit=unit
                )
        except IntegrityError as error:
            raise FeatureExists(f"{code} exists. Change it with PATCH /features/{code}.") from error
        _audit(feature, "feature.create", actor, at, reason=reason)
    return feature


def change(
    *,
    feature: Feature,
    actor: str,
    at: datetime,
    name: str | None = None,
    unit: str | None = None,
    archived: bool | None = None,
    reason: str = "",
) -> Feature:
    """Rename, archive or restore; None leaves as it is, and a change to the same is none.

    Nothing new may refer to an archived feature; who has it keeps it.
    """
    with transaction.atomic():
        feature = features.lock(project_id=feature.project_id, feature_id=feature.pk)
        before = representation.feature(feature)
        feature.name = feature.name if name is None else name
        feature.unit = feature.unit if unit is None else unit
        if archived is not None:
            feature.archived_at = (feature.archived_at or at) if archived else None
        if representation.feature(feature) != before:
            feature.save(update_fields=["name", "unit", "archived_at"])
            _audit(feature, "feature.change", actor, at, before=before, reason=reason)
    return feature


def _audit(
    feature: Feature,
    action: str,
    actor: str,
    at: datetime,
    before: dict[str, Any] | None = None,
    reason: str = "",
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=feature.pk,
        project_id=feature.project_id,
        at=at,
        reason=reason,
        before=before,
        after=representation.feature(feature),
    )
