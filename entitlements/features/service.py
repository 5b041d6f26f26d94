"""Create and change the features of a project."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from common.errors import Invalid
from common.inserts import insert
from entitlements.errors import FeatureExists
from entitlements.features import representation, rules_version
from entitlements.features.selectors import features
from entitlements.models import Feature
from entitlements.models.feature import FeatureKind
from entitlements.resolution.kinds import KINDS
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects.models import Project
from usage.meters import selectors as meter_rows
from usage.meters import service as meters
from usage.models import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMetering:
    """The meter of a metered feature and the period of its limit, by their API names.

    The limit starts again after each ``period``: by the calendar, or, when ``anchored``, at the
    anchor of the deciding source, such as the billing day.
    """

    meter: str = ""
    period: str = ""
    anchored: bool = False


NO_METERING = FeatureMetering()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRequest:
    """A feature to create; an empty ``merge`` is the default rule of the kind."""

    code: str
    name: str
    kind: str
    unit: str = ""
    merge: str = ""
    metering: FeatureMetering = NO_METERING


def create(
    *, project: Project, request: FeatureRequest, actor: str, at: datetime, reason: str = ""
) -> Feature:
    """Create a feature. Later only its name, its unit and its archiving can change.

    Raises FeatureExists, and Invalid for a merge rule that the kind does not have or a measure
    that is missing, incomplete or out of place.
    """
    metering = request.metering
    meter = _find_meter(project, request.kind, metering)
    feature = Feature(
        project=project,
        code=request.code,
        name=request.name,
        kind=request.kind,
        unit=request.unit,
        merge=_check_merge(request.kind, request.merge),
        meter=meter,
        period=metering.period,
        is_anchored=metering.anchored,
    )
    with transaction.atomic():
        if not insert(feature):
            raise FeatureExists(
                f"{feature.code} exists. Change it with PATCH /features/{feature.code}."
            )
        if meter is not None:
            meters.watch(meter=meter)
        rules_version.bump(project)
        _audit(feature, "feature.create", actor, at, reason=reason)
        _record_event(feature, EventType.FEATURE_CREATED, {}, at)
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
    """Rename, archive or restore the feature. None leaves a value; an equal value is no change.

    New grants and products cannot use an archived feature; customers who have it keep it.
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
            rules_version.bump(feature.project_id)
            _audit(feature, "feature.change", actor, at, before=before, reason=reason)
            is_archived = before["archived_at"] is None and feature.archived_at is not None
            event_type = EventType.FEATURE_ARCHIVED if is_archived else EventType.FEATURE_UPDATED
            _record_event(feature, event_type, before, at)
    return feature


def _check_merge(kind: str, merge: str) -> str:
    """The merge rule, or the default of the kind. Raises Invalid."""
    allowed_rules = KINDS[kind].merges
    if merge and merge not in allowed_rules:
        raise Invalid(f"A {kind} feature merges by: {', '.join(allowed_rules)}.", field="merge")
    return merge or allowed_rules[0]


def _find_meter(project: Project, kind: str, metering: FeatureMetering) -> Meter | None:
    if kind != FeatureKind.METERED:
        if metering != NO_METERING:
            raise Invalid("Only a metered feature has a meter and a period.", field="kind")
        return None
    if not metering.period:
        raise Invalid("Say after which period its limit starts again.", field="period")
    if not metering.meter:
        raise Invalid("Say which meter counts it. POST /meters defines one.", field="meter")
    meter = meter_rows.find_many(project=project, codes=[metering.meter]).get(metering.meter)
    if meter is None or meter.archived_at is not None:
        raise Invalid("No such meter. Define it with POST /meters first.", field="meter")
    return meter


def _record_event(
    feature: Feature, event_type: EventType, before: Mapping[str, object], at: datetime
) -> None:
    body = representation.feature(feature)
    outbox.record(
        project_id=feature.project_id,
        event_type=event_type,
        subject=feature.pk,
        data=body,
        previous=outbox.previous_values(before, body),
        at=at,
    )


def _audit(
    feature: Feature,
    action: str,
    actor: str,
    at: datetime,
    before: Mapping[str, object] | None = None,
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
